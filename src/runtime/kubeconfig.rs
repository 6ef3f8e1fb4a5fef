//! The way to the API server: the kubeconfig, or else the Pod's ServiceAccount.
//!
//! kube 5.0 takes a proxy from the kubeconfig or the environment, too, but compares `NO_PROXY` with the address of the
//! proxy. Here it is compared with that of the API server, as kubectl does: a `proxy-url` of the kubeconfig always
//! counts, the environment's proxy counts unless `NO_PROXY` names the API server or it is on this machine. In a Pod no
//! proxy is used.

use http::Uri;
use hyper_util::client::proxy::matcher::Matcher;
use kube::Config;
use kube::config::{InferConfigError, KubeConfigOptions, Kubeconfig};
use std::net::IpAddr;

/// Loads the configuration.
///
/// # Errors
/// If there is no usable kubeconfig, and the process does not run in a Pod.
pub(crate) async fn load_config() -> Result<Config, InferConfigError> {
    let Ok(mut config) = Config::from_kubeconfig(&KubeConfigOptions::default()).await else {
        return Config::infer().await;
    };
    let variable = |name: &str| std::env::var(name).ok();
    config.proxy_url = own_proxy().or_else(|| environment_proxy(&config.cluster_url, variable));
    Ok(config)
}

/// The `proxy-url` of the cluster of the current context.
fn own_proxy() -> Option<Uri> {
    let kubeconfig = Kubeconfig::read().ok()?;
    let current = kubeconfig.current_context?;
    let context = kubeconfig.contexts.into_iter().find(|context| context.name == current)?.context?;
    let cluster = kubeconfig.clusters.into_iter().find(|cluster| cluster.name == context.cluster)?.cluster?;
    parse_proxy(&cluster.proxy_url?)
}

/// The proxy that the environment names for requests to this API server.
fn environment_proxy(cluster: &Uri, variable: impl Fn(&str) -> Option<String>) -> Option<Uri> {
    let first = |names: [&str; 2]| names.into_iter().filter_map(&variable).find(|value| !value.trim().is_empty());
    let of_scheme = if cluster.scheme_str() == Some("http") {
        ["HTTP_PROXY", "http_proxy"]
    } else {
        ["HTTPS_PROXY", "https_proxy"]
    };
    let proxy = first(of_scheme).or_else(|| first(["ALL_PROXY", "all_proxy"]))?;
    let exceptions = first(["NO_PROXY", "no_proxy"]).unwrap_or_default();
    let counts = Matcher::builder().all(proxy.clone()).no(exceptions).build().intercept(cluster).is_some();
    if counts && !is_on_this_machine(cluster) { parse_proxy(&proxy) } else { None }
}

/// A proxy without a scheme speaks HTTP.
fn parse_proxy(proxy: &str) -> Option<Uri> {
    let proxy = proxy.trim();
    if proxy.is_empty() {
        return None;
    }
    if proxy.contains("://") { proxy.parse().ok() } else { format!("http://{proxy}").parse().ok() }
}

fn is_on_this_machine(cluster: &Uri) -> bool {
    let host = cluster.host().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    address.map_or(host.eq_ignore_ascii_case("localhost"), |address| address.to_canonical().is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The proxy for an API server in an environment.
    fn proxy_for(cluster: &str, environment: &[(&str, &str)]) -> Option<String> {
        let variable = |name: &str| {
            let named = environment.iter().find(|(known, _)| *known == name);
            named.map(|(_, value)| (*value).to_owned())
        };
        environment_proxy(&cluster.parse().unwrap(), variable).map(|proxy| proxy.to_string())
    }

    #[test]
    fn the_environments_proxy_counts_unless_no_proxy_names_the_api_server() {
        let own = ("HTTPS_PROXY", "http://user:pa%40ss@proxy.example.com:3128");
        let shown = Some("http://user:pa%40ss@proxy.example.com:3128/".to_owned());
        assert_eq!(proxy_for("https://api.example.com:6443", &[own]), shown);
        for (exceptions, counts) in [
            ("", true),
            ("other.example.com", true),
            // The proxy's own address says nothing about the API server.
            ("proxy.example.com", true),
            ("api.example.com", false),
            (".example.com", false),
            ("localhost, example.com", false),
            ("*", false),
        ] {
            let found = proxy_for("https://api.example.com:6443", &[own, ("NO_PROXY", exceptions)]);
            assert_eq!(found.is_some(), counts, "{exceptions}");
        }
        for (exceptions, counts) in [("10.0.0.0/8", false), ("10.1.2.3", false), ("192.168.0.0/16", true)] {
            let found = proxy_for("https://10.1.2.3", &[own, ("no_proxy", exceptions)]);
            assert_eq!(found.is_some(), counts, "{exceptions}");
        }
    }

    #[test]
    fn each_variable_counts_for_its_scheme() {
        let plain = ("http_proxy", "proxy:1");
        assert_eq!(proxy_for("http://api", &[plain]), Some("http://proxy:1/".to_owned()));
        assert_eq!(proxy_for("https://api", &[plain]), None);
        assert_eq!(proxy_for("https://api", &[("all_proxy", "https://proxy:1")]), Some("https://proxy:1/".to_owned()));
        assert_eq!(
            proxy_for("https://api", &[("HTTPS_PROXY", " "), ("https_proxy", "p:2")]),
            Some("http://p:2/".to_owned())
        );
        assert_eq!(proxy_for("https://api", &[]), None);
    }

    #[test]
    fn an_api_server_on_this_machine_needs_no_proxy() {
        for cluster in ["https://127.0.0.1:6443", "https://localhost:6443", "https://[::1]:6443"] {
            assert_eq!(proxy_for(cluster, &[("HTTPS_PROXY", "http://proxy:1")]), None, "{cluster}");
        }
    }
}
