//! The command line; flags go over the environment, and that over the file.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use clap::Parser;

use crate::config::{Config, GroupConfig};
use crate::host_policy::HostName;
use crate::service::arrivals::ArrivalPlan;

/// An Amazon GameLift Streams that runs on a laptop.
#[derive(Debug, Default, Parser)]
#[command(name = "gameliftstreams-simulator", version, about, next_line_help = true)]
pub struct Args {
    /// YAML or JSON file with the whole configuration.
    #[arg(long, env = "GAMELIFTSTREAMS_SIMULATOR_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Address to listen on [default: 127.0.0.1].
    #[arg(long, env = "GAMELIFTSTREAMS_SIMULATOR_HOST")]
    pub host: Option<IpAddr>,
    /// Port of AWS and of /_simulator/; 0 takes a free one [default: 8474].
    #[arg(long, env = "GAMELIFTSTREAMS_SIMULATOR_PORT")]
    pub port: Option<u16>,
    /// Port of the embedded S3; 0 takes a free one [default: 8475].
    #[arg(long, env = "GAMELIFTSTREAMS_SIMULATOR_S3_PORT")]
    pub s3_port: Option<u16>,
    /// Permits a host that is not loopback; /_simulator/ stays loopback only.
    #[arg(long)]
    pub allow_remote: bool,
    /// Name or address, such as a Service's, by which clients reach --host beside its own address; repeatable.
    #[arg(long, env = "GAMELIFTSTREAMS_SIMULATOR_ALLOW_HOST", value_name = "NAME", value_delimiter = ',')]
    pub allow_host: Vec<HostName>,
    /// Account of the documentation key pair and of the groups [default: 111122223333].
    #[arg(long, env = "GAMELIFTSTREAMS_SIMULATOR_ACCOUNT")]
    pub account: Option<String>,
    /// Region to serve; repeatable [default: us-west-2].
    #[arg(long, env = "GAMELIFTSTREAMS_SIMULATOR_REGION", value_delimiter = ',')]
    pub region: Vec<String>,
    /// Stream group: ID, in every Region, or ID@REGION, as AWS has it; repeatable [default: sg-1AB2C3De4].
    #[arg(long, env = "GAMELIFTSTREAMS_SIMULATOR_GROUP", value_delimiter = ',')]
    pub group: Vec<String>,
    /// Another S3, http://host:port, instead of the embedded one.
    #[arg(long, env = "GAMELIFTSTREAMS_SIMULATOR_S3_ENDPOINT", value_name = "URL")]
    pub s3_endpoint: Option<String>,
    /// Folder of the embedded S3 [default: a temporary one, removed at the end].
    #[arg(long, env = "GAMELIFTSTREAMS_SIMULATOR_S3_FOLDER", value_name = "DIR")]
    pub s3_folder: Option<PathBuf>,
    /// Bucket to create; repeatable [default: exports].
    #[arg(long, env = "GAMELIFTSTREAMS_SIMULATOR_BUCKET", value_delimiter = ',')]
    pub bucket: Vec<String>,
    /// Bucket that answers AccessDenied; repeatable [default: denied].
    #[arg(long, env = "GAMELIFTSTREAMS_SIMULATOR_DENIED_BUCKET", value_delimiter = ',')]
    pub denied_bucket: Vec<String>,
    /// From ACTIVATING to ACTIVE, in milliseconds [default: 1000].
    #[arg(long, env = "GAMELIFTSTREAMS_SIMULATOR_ACTIVATION_DELAY_MS", value_name = "MS")]
    pub activation_delay_ms: Option<u64>,
    /// From TERMINATING to TERMINATED, in milliseconds [default: 500].
    #[arg(long, env = "GAMELIFTSTREAMS_SIMULATOR_END_DELAY_MS", value_name = "MS")]
    pub end_delay_ms: Option<u64>,
    /// From the session's end to the upload, in milliseconds [default: 500].
    #[arg(long, env = "GAMELIFTSTREAMS_SIMULATOR_UPLOAD_DELAY_MS", value_name = "MS")]
    pub upload_delay_ms: Option<u64>,
    /// Files in each folder of the ZIP [default: 2].
    #[arg(long, env = "GAMELIFTSTREAMS_SIMULATOR_FILES_PER_FOLDER", value_name = "N")]
    pub files_per_folder: Option<u32>,
    /// Size of each of these files [default: 4096].
    #[arg(long, env = "GAMELIFTSTREAMS_SIMULATOR_FILE_BYTES", value_name = "BYTES")]
    pub file_bytes: Option<u64>,
    /// Requests a second for each operation, account and Region; 0 switches it off [default: 20].
    #[arg(long, env = "GAMELIFTSTREAMS_SIMULATOR_QUOTA", value_name = "RATE")]
    pub quota: Option<f64>,
    /// Sessions a second that arrive, live 20 to 120 s and end by themselves; the file can say more.
    #[arg(long, env = "GAMELIFTSTREAMS_SIMULATOR_ARRIVALS", value_name = "RATE")]
    pub arrivals: Option<f64>,
    /// File that the journal is appended to, as JSON lines.
    #[arg(long, env = "GAMELIFTSTREAMS_SIMULATOR_JOURNAL", value_name = "FILE")]
    pub journal: Option<PathBuf>,
}

impl Args {
    /// The configuration: the file's, or the default one, and the flags over it.
    pub fn into_config(self) -> Result<Config, String> {
        let mut config = match &self.config {
            Some(path) => read(path)?,
            None => Config::default(),
        };
        self.lay_over(&mut config);
        config.check()?;
        Ok(config)
    }

    fn lay_over(self, config: &mut Config) {
        set(&mut config.host, self.host);
        set(&mut config.port, self.port);
        set(&mut config.s3_port, self.s3_port);
        config.allow_remote |= self.allow_remote;
        set_list(&mut config.allow_hosts, self.allow_host);
        set(&mut config.account, self.account);
        set_list(&mut config.regions, self.region);
        set_list(&mut config.groups, self.group.iter().map(|id| GroupConfig::parse(id)).collect());
        config.s3.endpoint = self.s3_endpoint.or(config.s3.endpoint.take());
        config.s3.folder = self.s3_folder.or(config.s3.folder.take());
        set_list(&mut config.s3.buckets, self.bucket);
        set_list(&mut config.s3.denied_buckets, self.denied_bucket);
        let pace = &mut config.behaviour;
        pace.activation_delay_ms = self.activation_delay_ms.or(pace.activation_delay_ms);
        pace.end_delay_ms = self.end_delay_ms.or(pace.end_delay_ms);
        pace.upload_delay_ms = self.upload_delay_ms.or(pace.upload_delay_ms);
        pace.files_per_folder = self.files_per_folder.or(pace.files_per_folder);
        pace.file_bytes = self.file_bytes.or(pace.file_bytes);
        if let Some(rate) = self.quota {
            config.quota.enabled = rate > 0.0;
            config.quota.per_second = rate;
        }
        set_list(
            &mut config.arrivals,
            self.arrivals.map(|per_second| ArrivalPlan { per_second, ..ArrivalPlan::default() }).into_iter().collect(),
        );
        config.journal = self.journal.or(config.journal.take());
    }
}

fn set<T>(target: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *target = value;
    }
}

fn set_list<T>(target: &mut Vec<T>, values: Vec<T>) {
    if !values.is_empty() {
        *target = values;
    }
}

/// JSON is YAML too.
fn read(path: &Path) -> Result<Config, String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    serde_yaml::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_go_over_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("config.yaml");
        std::fs::write(
            &path,
            "port: 1\ns3Port: 2\nregions: [eu-central-1]\nbehaviour: {endDelayMs: 7, uploadDelayMs: 8}\n",
        )
        .unwrap();
        let flags = ["x", "--config", path.to_str().unwrap(), "--port", "3", "--upload-delay-ms", "9", "--quota", "0"];
        let config = Args::try_parse_from(flags).unwrap().into_config().unwrap();
        assert_eq!((config.port, config.s3_port), (3, 2));
        assert_eq!(config.regions, ["eu-central-1"]);
        assert_eq!((config.behaviour.end_delay_ms, config.behaviour.upload_delay_ms), (Some(7), Some(9)));
        assert!(!config.quota.enabled);
        assert_eq!(config.account, "111122223333");
    }

    #[test]
    fn a_group_is_in_the_region_of_its_flag_or_in_all() {
        let flags = ["x", "--region", "us-west-2,eu-central-1", "--group", "sg-1,sg-2@eu-central-1"];
        let config = Args::try_parse_from(flags).unwrap().into_config().unwrap();
        let groups: Vec<_> = config.groups.iter().map(|group| (group.id.as_str(), group.region.as_deref())).collect();
        assert_eq!(groups, [("sg-1", None), ("sg-2", Some("eu-central-1"))]);
        let elsewhere = Args::try_parse_from(["x", "--group", "sg-2@eu-central-1"]).unwrap().into_config();
        assert!(elsewhere.unwrap_err().contains("not among the regions"));
    }

    #[test]
    fn a_file_with_an_unknown_key_is_refused_with_its_place() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("config.yaml");
        std::fs::write(&path, "port: 1\nprot: 2\n").unwrap();
        let args = Args { config: Some(path), ..Args::default() };
        let error = args.into_config().unwrap_err();
        assert!(error.contains("config.yaml") && error.contains("prot") && error.contains("line 2"), "{error}");
    }
}
