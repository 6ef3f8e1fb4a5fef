//! Everything that can be set before the start, as one typed value; also the form of `--config`.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

use serde::Deserialize;

use crate::behaviour::{Changes, Override};
use crate::faults::Rule;
use crate::host_policy::HostName;
use crate::identity::Key;
use crate::quota::Limits;
use crate::service::arrivals::ArrivalPlan;
use crate::service::seed::Seed;

/// A stream group to start with.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GroupConfig {
    /// Its id.
    pub id: String,
    /// Its account; the simulator's own when absent.
    #[serde(default)]
    pub account: Option<String>,
    /// Its Region; all Regions when absent.
    #[serde(default)]
    pub region: Option<String>,
    /// The applications that it can run; any when empty.
    #[serde(default)]
    pub applications: Vec<String>,
}

impl GroupConfig {
    /// A group of the simulator's own account for any application: `ID` in all Regions, `ID@REGION` in one.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let (id, region) = match text.split_once('@') {
            Some((id, region)) => (id, Some(region.to_owned())),
            None => (text, None),
        };
        Self { id: id.to_owned(), account: None, region, applications: Vec::new() }
    }
}

/// Where the ZIPs go.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct S3Config {
    /// Another S3, `http://host:port`, instead of the embedded one.
    pub endpoint: Option<String>,
    /// The folder of the embedded one; a temporary one when absent.
    pub folder: Option<PathBuf>,
    /// Buckets to create in it.
    pub buckets: Vec<String>,
    /// Buckets in it that answer AccessDenied.
    pub denied_buckets: Vec<String>,
}

impl Default for S3Config {
    fn default() -> Self {
        Self {
            endpoint: None,
            folder: None,
            buckets: vec!["exports".to_owned()],
            denied_buckets: vec!["denied".to_owned()],
        }
    }
}

/// The whole configuration.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Config {
    /// The address to listen on.
    pub host: IpAddr,
    /// AWS's port; 0 takes a free one.
    pub port: u16,
    /// The embedded S3's port; 0 takes a free one.
    pub s3_port: u16,
    /// Whether `host` may be other than loopback.
    pub allow_remote: bool,
    /// Hosts that requests may name beside loopback and the address listened on.
    pub allow_hosts: Vec<HostName>,
    /// The simulator's own account.
    pub account: String,
    /// The Regions served.
    pub regions: Vec<String>,
    /// The stream groups.
    pub groups: Vec<GroupConfig>,
    /// Access keys beside AWS's documentation pair.
    pub keys: Vec<Key>,
    /// Where the ZIPs go.
    pub s3: S3Config,
    /// Switches for all sessions.
    pub behaviour: Changes,
    /// Switches for some.
    pub overrides: Vec<Override>,
    /// The quotas.
    pub quota: Limits,
    /// Faults to start with.
    pub faults: Vec<Rule>,
    /// Sessions to start with.
    pub sessions: Vec<Seed>,
    /// Sessions that arrive from the start on.
    pub arrivals: Vec<ArrivalPlan>,
    /// The journal's file.
    pub journal: Option<PathBuf>,
    /// How many records of the journal are kept in memory.
    pub journal_keep: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            host: Ipv4Addr::LOCALHOST.into(),
            port: 8474,
            s3_port: 8475,
            allow_remote: false,
            allow_hosts: Vec::new(),
            account: "111122223333".to_owned(),
            regions: vec!["us-west-2".to_owned()],
            groups: vec![GroupConfig::parse("sg-1AB2C3De4")],
            keys: Vec::new(),
            s3: S3Config::default(),
            behaviour: Changes::default(),
            overrides: Vec::new(),
            quota: Limits::default(),
            faults: Vec::new(),
            sessions: Vec::new(),
            arrivals: Vec::new(),
            journal: None,
            journal_keep: 100_000,
        }
    }
}

impl Config {
    /// Says what is wrong with it.
    pub fn check(&self) -> Result<(), String> {
        if !self.host.is_loopback() && !self.allow_remote {
            return Err(format!("host is {}, not a loopback address; --allow-remote permits it", self.host));
        }
        for account in std::iter::once(&self.account).chain(self.groups.iter().filter_map(|g| g.account.as_ref())) {
            check_account(account)?;
        }
        if self.regions.is_empty() {
            return Err("regions is empty".to_owned());
        }
        for region in &self.regions {
            check_word("region", region)?;
        }
        for group in &self.groups {
            check_word("stream group", &group.id)?;
            if let Some(region) = group.region.as_ref().filter(|region| !self.regions.contains(region)) {
                return Err(format!("the stream group {} is in {region}, which is not among the regions", group.id));
            }
        }
        self.check_s3()?;
        self.arrivals.iter().try_for_each(ArrivalPlan::check)?;
        self.faults.iter().try_for_each(Rule::check)
    }

    fn check_s3(&self) -> Result<(), String> {
        if let Some(endpoint) = &self.s3.endpoint
            && !endpoint.starts_with("http://")
        {
            return Err(format!("s3.endpoint is {endpoint}, not an http:// URL; TLS is not supported"));
        }
        for bucket in self.s3.buckets.iter().chain(&self.s3.denied_buckets) {
            let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
            if !(3..=63).contains(&bucket.len()) || !bucket.chars().all(fits) || bucket.starts_with('.') {
                return Err(format!("{bucket:?} is not the name of a bucket"));
            }
        }
        Ok(())
    }
}

fn check_account(account: &str) -> Result<(), String> {
    if account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit()) {
        Ok(())
    } else {
        Err(format!("account is {account:?}, not twelve digits"))
    }
}

fn check_word(what: &str, word: &str) -> Result<(), String> {
    if !word.is_empty() && word.len() <= 32 && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
        Ok(())
    } else {
        Err(format!("{word:?} is not a {what}: 1 to 32 letters, digits and hyphens"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_sound_and_every_mistake_is_named() {
        assert_eq!(Config::default().check(), Ok(()));
        for (yaml, word) in [
            ("host: 0.0.0.0", "--allow-remote"),
            ("account: '123'", "twelve digits"),
            ("regions: []", "regions"),
            ("groups: [{id: 'sg 1'}]", "stream group"),
            ("groups: [{id: sg-1, region: eu-central-1}]", "eu-central-1"),
            ("s3: {endpoint: 'https://x'}", "http://"),
            ("s3: {buckets: ['../x']}", "bucket"),
            ("arrivals: [{perSecond: 0}]", "perSecond"),
            ("faults: [{nth: 0, action: {type: throttle}}]", "nth"),
        ] {
            let config: Config = serde_yaml::from_str(yaml).expect(yaml);
            let error = config.check().unwrap_err();
            assert!(error.contains(word), "{yaml}: {error}");
        }
        assert!(serde_yaml::from_str::<Config>("prot: 1").is_err());
        assert!(serde_yaml::from_str::<Config>("allowHosts: ['simulator:8474']").is_err());
    }
}
