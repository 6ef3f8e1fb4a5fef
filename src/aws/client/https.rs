//! The HTTPS client of the AWS SDK: which certificates it trusts, and which requests go through a proxy.
//!
//! The SDK's default client ignores `AWS_CA_BUNDLE`, and sends every request by `HTTP_PROXY`, `HTTPS_PROXY` and
//! `NO_PROXY`. Here the variable counts as it does for the AWS CLI, and no request to a loopback or link-local address
//! goes through a proxy. Those are the requests for credentials: ECS, EKS Pod Identity and instance metadata answer at
//! such addresses over plain HTTP, and the first two get an authorization token with each request. A proxy can't reach
//! them, but it would read the token.
//!
//! Owns: both decisions, and the host in the error of a request without an answer. Never: opens a connection; the SDK
//! does.

use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_smithy_http_client::{Builder, Connector};
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::connector_metadata::ConnectorMetadata;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::{RuntimeComponents, RuntimeComponentsBuilder};
use aws_smithy_types::config_bag::ConfigBag;
use http::Uri;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use std::ffi::OsString;
use std::net::{IpAddr, Ipv6Addr};
use std::path::PathBuf;

/// The variable that names a file of certificates to trust instead of the system's (AWS SDKs and Tools Reference Guide,
/// "General configuration settings").
const CA_BUNDLE: &str = "AWS_CA_BUNDLE";

/// Why the file that `AWS_CA_BUNDLE` names can't be used.
#[derive(Debug, thiserror::Error)]
#[error("AWS_CA_BUNDLE: {path}: {problem}: accepted is a file of certificates in PEM")]
pub struct CaBundleError {
    path: PathBuf,
    problem: String,
}

/// The trusted certificates: those of the file that `AWS_CA_BUNDLE` names, or else the system's.
///
/// # Errors
/// If there is such a file, and it can't be read or has anything but valid certificates.
pub(crate) fn load_trust() -> Result<TlsContext, CaBundleError> {
    trust_of(std::env::var_os(CA_BUNDLE))
}

pub(super) fn trust_of(bundle: Option<OsString>) -> Result<TlsContext, CaBundleError> {
    let Some(path) = bundle.filter(|path| !path.is_empty()).map(PathBuf::from) else {
        return Ok(TlsContext::default());
    };
    let pem = std::fs::read(&path).map_err(|error| error.to_string());
    pem.and_then(trust_only).map_err(|problem| CaBundleError { path, problem })
}

fn trust_only(pem: Vec<u8>) -> Result<TlsContext, String> {
    check_certificates(&pem)?;
    let store = TrustStore::empty().with_pem_certificate(pem);
    TlsContext::builder().with_trust_store(store).build().map_err(|error| error.to_string())
}

/// The SDK panics at a certificate that it can't use.
fn check_certificates(pem: &[u8]) -> Result<(), String> {
    let mut trusted = RootCertStore::empty();
    for (index, certificate) in CertificateDer::pem_slice_iter(pem).enumerate() {
        let certificate = certificate.map_err(|error| format!("certificate {}: {error}", index + 1))?;
        trusted.add(certificate).map_err(|error| format!("certificate {}: {error}", index + 1))?;
    }
    if trusted.is_empty() { Err("it has no certificate".to_owned()) } else { Ok(()) }
}

/// The client.
pub(super) fn https_client(trust: &TlsContext) -> SharedHttpClient {
    let by_environment = client_with(trust.clone(), ProxyConfig::from_env());
    SharedHttpClient::new(ProxyClient { by_environment, direct: client_with(trust.clone(), ProxyConfig::disabled()) })
}

/// The SDK's own client but for trust and proxy.
fn client_with(trust: TlsContext, proxy: ProxyConfig) -> SharedHttpClient {
    Builder::new().build_with_connector_fn(move |settings, components| {
        let connector = Connector::builder().tls_provider(Provider::Rustls(CryptoMode::AwsLc));
        let mut connector = connector.tls_context(trust.clone()).proxy_config(proxy.clone());
        connector.set_connector_settings(settings.cloned());
        connector.set_sleep_impl(components.and_then(RuntimeComponents::sleep_impl));
        connector.build()
    })
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
    /// Its proxies are those of the environment.
    by_environment: SharedHttpClient,
    /// It has none.
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
        let host = host_of(request.uri());
        let connector = if bypasses_proxy(request.uri()) { &self.direct } else { &self.by_environment };
        let answer = connector.call(request);
        HttpConnectorFuture::new(async move { answer.await.map_err(|error| name_host(error, host)) })
    }
}

/// A request without an answer.
#[derive(Debug, thiserror::Error)]
#[error("no answer from {host}")]
pub(crate) struct RequestError {
    /// Host and port of the request's URI.
    pub(crate) host: String,
    source: ConnectorError,
}

/// Host and port of a URI, without user and path.
fn host_of(uri: &str) -> String {
    let uri = uri.parse::<Uri>().unwrap_or_default();
    let port = uri.port().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{}{port}", uri.host().unwrap_or_default())
}

/// The error with the host of its request. The SDK's retries of requests for credentials depend on the kind, which
/// stays as it is.
fn name_host(error: ConnectorError, host: String) -> ConnectorError {
    let (timeout, user, io, kind) = (error.is_timeout(), error.is_user(), error.is_io(), error.as_other());
    let error = Box::new(RequestError { host, source: error });
    match (timeout, user, io) {
        (true, _, _) => ConnectorError::timeout(error),
        (false, true, _) => ConnectorError::user(error),
        (false, false, true) => ConnectorError::io(error),
        (false, false, false) => ConnectorError::other(error, kind),
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
