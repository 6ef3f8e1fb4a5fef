//! The SDK's HTTPS client, for which no request to a loopback or link-local address goes through a proxy.
//!
//! The SDK's default client sends every request by `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY`, those for credentials
//! too: ECS, EKS Pod Identity and instance metadata answer at such addresses over plain HTTP, and the first two get an
//! authorization token with each request. A proxy can't reach them, but it would read the token.
//!
//! Owns: which requests are sent without a proxy. Never: reads the environment itself; the SDK does.

use aws_config::BehaviorVersion;
use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_runtime::client::defaults::default_http_client_plugin_v2;
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::connector_metadata::ConnectorMetadata;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::runtime_components::{RuntimeComponents, RuntimeComponentsBuilder};
use aws_smithy_runtime_api::client::runtime_plugin::RuntimePlugin;
use aws_smithy_types::config_bag::ConfigBag;
use http::Uri;
use std::net::{IpAddr, Ipv6Addr};

/// The client. Returns `None` if the SDK was built without one: it sends nothing then.
pub(super) fn https_client() -> Option<SharedHttpClient> {
    let defaults = default_http_client_plugin_v2(BehaviorVersion::latest())?;
    let components = RuntimeComponentsBuilder::new("session-export-operator");
    let by_environment = defaults.runtime_components(&components).http_client()?;
    // A client of the builder has no proxy unless it is given one.
    let direct = Builder::new().tls_provider(Provider::Rustls(CryptoMode::AwsLc)).build_https();
    Some(SharedHttpClient::new(ProxyClient { by_environment, direct }))
}

/// True if a request to this URI must not go through a proxy.
fn bypasses_proxy(uri: &str) -> bool {
    let Some(host) = uri.parse::<Uri>().ok().and_then(|uri| uri.host().map(str::to_owned)) else { return false };
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    match address.map(|address| address.to_canonical()) {
        Ok(IpAddr::V4(address)) => address.is_loopback() || address.is_link_local(),
        Ok(IpAddr::V6(address)) => address.is_loopback() || address.is_unicast_link_local() || is_aws_local(address),
        Err(_) => host.trim_end_matches('.').eq_ignore_ascii_case("localhost"),
    }
}

/// True for `fd00:ec2::/32`, which AWS uses as link-local addresses are used with IPv4: instance metadata at
/// `fd00:ec2::254` (EC2 User Guide, "Use the Instance Metadata Service"), EKS Pod Identity at `fd00:ec2::23` (EKS User
/// Guide, "EKS Pod Identity").
fn is_aws_local(address: Ipv6Addr) -> bool {
    matches!(address.segments(), [0xfd00, 0xec2, ..])
}

#[derive(Debug)]
struct ProxyClient {
    /// The SDK's default client.
    by_environment: SharedHttpClient,
    /// One without proxies.
    direct: SharedHttpClient,
}

impl HttpClient for ProxyClient {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(ProxyConnector {
            by_environment: self.by_environment.http_connector(settings, components),
            direct: self.direct.http_connector(settings, components),
        })
    }

    fn validate_base_client_config(
        &self,
        components: &RuntimeComponentsBuilder,
        config: &ConfigBag,
    ) -> Result<(), BoxError> {
        HttpClient::validate_base_client_config(&self.by_environment, components, config)?;
        HttpClient::validate_base_client_config(&self.direct, components, config)
    }

    fn validate_final_config(&self, components: &RuntimeComponents, config: &ConfigBag) -> Result<(), BoxError> {
        HttpClient::validate_final_config(&self.by_environment, components, config)?;
        HttpClient::validate_final_config(&self.direct, components, config)
    }

    fn connector_metadata(&self) -> Option<ConnectorMetadata> {
        self.by_environment.connector_metadata()
    }
}

#[derive(Debug)]
struct ProxyConnector {
    by_environment: SharedHttpConnector,
    direct: SharedHttpConnector,
}

impl HttpConnector for ProxyConnector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        if bypasses_proxy(request.uri()) { self.direct.call(request) } else { self.by_environment.call(request) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_and_link_local_addresses_bypass_a_proxy_and_nothing_else_does() {
        for uri in [
            "http://127.0.0.1:8080/x",
            "http://127.255.255.254/",
            "https://localhost:1234/creds",
            "http://LOCALHOST./",
            "http://[::1]:80/",
            "http://[::ffff:127.0.0.1]/",
            "http://169.254.170.2/v2/credentials",
            "http://169.254.170.23/v1/credentials",
            "http://169.254.169.254/latest/api/token",
            "http://[::ffff:169.254.170.23]/",
            "http://[fe80::1]/",
            "http://[febf::1]/",
            "http://[fd00:ec2::23]/v1/credentials",
            "http://[fd00:ec2::254]/latest/api/token",
        ] {
            assert!(bypasses_proxy(uri), "{uri}");
        }
        for uri in [
            "https://gameliftstreams.us-west-2.api.aws/streamgroups/sg-1",
            "http://10.0.0.1/",
            "http://169.253.1.1/",
            "http://170.254.1.1/",
            "http://[fec0::1]/",
            "http://[fd00:ec3::23]/",
            "http://[2001:db8::1]/",
            "http://localhost.example.com/",
            "http://127.0.0.1.example.com/",
            "http://127.0.0.1@example.com/",
            "http://example.com/127.0.0.1",
            "no uri",
        ] {
            assert!(!bypasses_proxy(uri), "{uri}");
        }
    }
}
