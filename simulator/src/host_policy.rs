//! Which requests the listeners accept by their `Host` and `Origin`: none that a page of another site has a browser
//! send.
//!
//! Such a page reaches a listener on loopback in two ways. A cross-site request carries the page's own `Origin`; only
//! GET and HEAD may lack it, and they change nothing and can't be read by the page. After DNS rebinding (a name of the
//! attacker's that resolves to 127.0.0.1) the request is same-origin, and the name is in `Host`. An address in `Host`
//! can't be rebound. Signatures don't help: anyone can sign with the example key.
//!
//! Never: looks at the peer's address, the path or the method.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use http::header::{HOST, HeaderName, ORIGIN};
use http::{HeaderMap, Uri};
use serde::Deserialize;

/// The longest part of a refused value that is shown.
const SHOWN: usize = 100;

/// Why a request was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// No `Host`, more than one, or none that names this listener.
    #[error(
        "Host {0} was refused; accepted are localhost, loopback addresses, the address that the simulator listens on \
         and what --allow-host names, each with or without a port"
    )]
    Host(String),
    /// A page of another site.
    #[error("Origin {0} was refused; accepted are requests without Origin, and http:// with the request's own Host")]
    Origin(String),
}

/// A host as `Host` and `--allow-host` name it, without its port.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum HostName {
    /// An address; an IPv4 address mapped into IPv6 is the IPv4 address.
    Address(IpAddr),
    /// A DNS name in lower case.
    Name(String),
}

/// A text that is no host.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a host: a DNS name, an IPv4 address or an IPv6 address in brackets, without scheme and port")]
pub struct InvalidHost(String);

impl FromStr for HostName {
    type Err = InvalidHost;

    fn from_str(text: &str) -> Result<Self, InvalidHost> {
        Self::parse(text).ok_or_else(|| InvalidHost(text.to_owned()))
    }
}

impl TryFrom<String> for HostName {
    type Error = InvalidHost;

    fn try_from(text: String) -> Result<Self, InvalidHost> {
        text.parse()
    }
}

impl HostName {
    fn parse(text: &str) -> Option<Self> {
        if let Some(inside) = text.strip_prefix('[') {
            let address: Ipv6Addr = inside.strip_suffix(']')?.parse().ok()?;
            return Some(Self::Address(address.to_canonical()));
        }
        if let Ok(address) = text.parse::<Ipv4Addr>() {
            return Some(Self::Address(address.into()));
        }
        is_dns_name(text).then(|| Self::Name(text.to_ascii_lowercase()))
    }

    /// Parses the value of `Host`. `None`: it is malformed.
    fn parse_header(value: &str) -> Option<Self> {
        match value.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => is_port(port).then(|| Self::parse(host))?,
            _ => Self::parse(value),
        }
    }
}

fn is_dns_name(text: &str) -> bool {
    let is_label = |label: &str| {
        !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    text.len() <= 253 && text.split('.').all(is_label)
}

fn is_port(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<u16>().is_ok()
}

/// The hosts of one simulator.
#[derive(Debug, Clone)]
pub struct HostPolicy {
    bound: IpAddr,
    allowed: Vec<HostName>,
}

impl HostPolicy {
    /// Of listeners bound to this address, which are also reached by the names of `--allow-host`.
    #[must_use]
    pub fn new(bound: IpAddr, allowed: Vec<HostName>) -> Self {
        Self { bound: bound.to_canonical(), allowed }
    }

    /// Judges a request by its target and headers. `local` is the address that its connection was accepted on, which
    /// differs from the bound one where that is 0.0.0.0.
    pub fn check(&self, local: IpAddr, target: &Uri, headers: &HeaderMap) -> Result<(), Refused> {
        let host = only_value(headers, &HOST).map_err(Refused::Host)?.ok_or_else(|| Refused::Host("(none)".into()))?;
        let refuse_host = || Refused::Host(shown(host));
        let name = HostName::parse_header(host).ok_or_else(refuse_host)?;
        let is_target = target.authority().is_none_or(|authority| authority.as_str().eq_ignore_ascii_case(host));
        if !is_target || !self.accepts(&name, local) {
            return Err(refuse_host());
        }
        match only_value(headers, &ORIGIN).map_err(Refused::Origin)? {
            Some(origin) if !is_own_origin(origin, host) => Err(Refused::Origin(shown(origin))),
            _ => Ok(()),
        }
    }

    fn accepts(&self, host: &HostName, local: IpAddr) -> bool {
        let is_own = match host {
            HostName::Address(address) => {
                address.is_loopback() || *address == self.bound || *address == local.to_canonical()
            }
            HostName::Name(name) => name == "localhost",
        };
        is_own || self.allowed.contains(host)
    }
}

/// The value of a header; none where it is absent. One that is repeated or isn't visible ASCII is an error with the
/// values.
fn only_value<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Result<Option<&'h str>, String> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value.to_str().map(Some).map_err(|_| format!("{value:?}").chars().take(SHOWN).collect()),
        (Some(_), Some(_)) => Err("(more than one)".to_owned()),
    }
}

fn is_own_origin(origin: &str, host: &str) -> bool {
    origin.split_once("://").is_some_and(|(scheme, rest)| scheme == "http" && rest.eq_ignore_ascii_case(host))
}

/// A refused value, quoted and cut.
fn shown(value: &str) -> String {
    format!("{:?}", value.chars().take(SHOWN).collect::<String>())
}

#[cfg(test)]
#[path = "host_policy_tests.rs"]
mod tests;
