//! Callers: access keys, the accounts they belong to, and what they are denied.

use std::collections::HashMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::clock::Millis;
use crate::wire::route::Operation;

/// AWS's documentation key pair.
pub const EXAMPLE_KEY_ID: &str = "AKIAIOSFODNN7EXAMPLE";
/// The secret of [`EXAMPLE_KEY_ID`].
pub const EXAMPLE_SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

/// One account in one Region: everything that AWS counts or stores is kept apart by it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Scope {
    /// The twelve digits.
    pub account: String,
    /// For example `us-west-2`.
    pub region: String,
}

impl Scope {
    /// The scope of an account in a Region.
    #[must_use]
    pub fn new(account: impl Into<String>, region: impl Into<String>) -> Self {
        Self { account: account.into(), region: region.into() }
    }

    /// An ARN of the service in this scope.
    #[must_use]
    pub fn arn(&self, resource: &str) -> String {
        format!("arn:aws:gameliftstreams:{}:{}:{resource}", self.region, self.account)
    }
}

/// An access key as it is configured.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Key {
    /// Its public id.
    pub access_key_id: String,
    /// Its secret.
    pub secret_access_key: String,
    /// The token that temporary credentials must bring along.
    #[serde(default)]
    pub session_token: Option<String>,
    /// The account; the simulator's own when absent.
    #[serde(default)]
    pub account: Option<String>,
    /// After so many seconds of simulated time the key is expired.
    #[serde(default)]
    pub expires_in_seconds: Option<u32>,
    /// The caller's name in messages; a user of the account when absent.
    #[serde(default)]
    pub principal: Option<String>,
    /// Operations that are answered with AccessDeniedException.
    #[serde(default)]
    pub deny: Vec<Operation>,
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").field("access_key_id", &self.access_key_id).finish_non_exhaustive()
    }
}

/// An access key with its account and expiry worked out.
#[derive(Clone)]
pub struct Identity {
    /// The key's public id.
    pub access_key_id: String,
    /// The key's secret.
    pub secret: String,
    /// The token of temporary credentials.
    pub session_token: Option<String>,
    /// The account that the key belongs to.
    pub account: String,
    /// The caller's ARN.
    pub principal: String,
    /// When the key expires.
    pub expires_at: Option<Millis>,
    /// What is denied to it.
    pub deny: Vec<Operation>,
}

impl Identity {
    /// Whether the key is no longer good at this time.
    #[must_use]
    pub fn expired(&self, now: Millis) -> bool {
        self.expires_at.is_some_and(|at| at <= now)
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("access_key_id", &self.access_key_id).finish_non_exhaustive()
    }
}

/// What may be told about a key.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PublicKey {
    access_key_id: String,
    account: String,
    principal: String,
    temporary: bool,
    expired: bool,
    deny: Vec<Operation>,
}

/// All keys that the simulator knows.
#[derive(Debug, Default)]
pub struct KeyRing {
    keys: HashMap<String, Identity>,
}

impl KeyRing {
    /// Adds a key, or replaces the one with the same id.
    pub fn add(&mut self, key: Key, default_account: &str, now: Millis) {
        let account = key.account.unwrap_or_else(|| default_account.to_owned());
        let principal = key.principal.unwrap_or_else(|| format!("arn:aws:iam::{account}:user/simulator"));
        let identity = Identity {
            access_key_id: key.access_key_id.clone(),
            secret: key.secret_access_key,
            session_token: key.session_token,
            principal,
            expires_at: key.expires_in_seconds.map(|s| now + i64::from(s) * 1000),
            deny: key.deny,
            account,
        };
        self.keys.insert(key.access_key_id, identity);
    }

    /// The key with this id.
    #[must_use]
    pub fn get(&self, access_key_id: &str) -> Option<&Identity> {
        self.keys.get(access_key_id)
    }

    /// The keys without their secrets.
    #[must_use]
    pub fn public(&self, now: Millis) -> Vec<PublicKey> {
        let mut keys: Vec<_> = self
            .keys
            .values()
            .map(|key| PublicKey {
                access_key_id: key.access_key_id.clone(),
                account: key.account.clone(),
                principal: key.principal.clone(),
                temporary: key.session_token.is_some(),
                expired: key.expired(now),
                deny: key.deny.clone(),
            })
            .collect();
        keys.sort_by(|a, b| a.access_key_id.cmp(&b.access_key_id));
        keys
    }
}

/// AWS's documentation key pair, for the simulator's own account.
#[must_use]
pub fn example_key() -> Key {
    Key {
        access_key_id: EXAMPLE_KEY_ID.to_owned(),
        secret_access_key: EXAMPLE_SECRET.to_owned(),
        session_token: None,
        account: None,
        expires_in_seconds: None,
        principal: None,
        deny: Vec::new(),
    }
}
