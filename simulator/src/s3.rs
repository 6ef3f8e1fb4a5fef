//! The embedded S3: s3s-fs on a folder, with access control that S3 has and s3s-fs lacks.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

use s3s::access::{S3Access, S3AccessContext};
use s3s::auth::{S3Auth, SecretKey};
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::{S3Result, s3_error};

use crate::identity::KeyRing;

/// Which buckets there are at the start, and which refuse.
#[derive(Debug, Clone)]
pub struct Store {
    /// The folder; every bucket is a folder in it.
    pub folder: PathBuf,
    /// Buckets to create.
    pub buckets: Vec<String>,
    /// Buckets that exist and answer AccessDenied to every request.
    pub denied: Vec<String>,
}

impl Store {
    /// Creates the folders.
    pub fn prepare(&self) -> io::Result<()> {
        for bucket in self.buckets.iter().chain(&self.denied) {
            std::fs::create_dir_all(self.folder.join(bucket))?;
        }
        Ok(())
    }

    /// The service.
    pub fn service(&self, keys: Arc<RwLock<KeyRing>>) -> Result<S3Service, String> {
        let files = s3s_fs::FileSystem::new(&self.folder).map_err(|error| format!("{error:?}"))?;
        let mut builder = S3ServiceBuilder::new(files);
        builder.set_auth(Keys(keys));
        builder.set_access(Gate { folder: self.folder.clone(), denied: self.denied.clone() });
        Ok(builder.build())
    }
}

/// The simulator's own keys are good for its S3.
struct Keys(Arc<RwLock<KeyRing>>);

#[async_trait::async_trait]
impl S3Auth for Keys {
    async fn get_secret_key(&self, access_key: &str) -> S3Result<SecretKey> {
        let keys = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let identity = keys.get(access_key).ok_or_else(|| s3_error!(InvalidAccessKeyId))?;
        Ok(SecretKey::from(identity.secret.as_str()))
    }
}

/// s3s-fs creates a missing bucket on the first PUT; S3 answers NoSuchBucket.
struct Gate {
    folder: PathBuf,
    denied: Vec<String>,
}

#[async_trait::async_trait]
impl S3Access for Gate {
    async fn check(&self, context: &mut S3AccessContext<'_>) -> S3Result<()> {
        if context.credentials().is_none() {
            return Err(s3_error!(AccessDenied, "Access Denied"));
        }
        let path = context.s3_path();
        if path.get_bucket_name().is_some_and(|bucket| self.denied.iter().any(|denied| denied == bucket)) {
            return Err(s3_error!(AccessDenied, "Access Denied"));
        }
        let Some((bucket, key)) = path.as_object() else { return Ok(()) };
        if !self.folder.join(bucket).is_dir() {
            return Err(s3_error!(NoSuchBucket, "The specified bucket does not exist"));
        }
        if !fits(bucket, key) {
            return Err(s3_error!(KeyTooLongError, "Your key is too long for the simulator's embedded S3"));
        }
        Ok(())
    }
}

/// s3s-fs keeps an object's metadata in a file named by bucket and key in Base64, and fails in the
/// middle of a PUT when that name is longer than a file's may be.
fn fits(bucket: &str, key: &str) -> bool {
    let base64 = |text: &str| (text.len() * 4).div_ceil(3);
    base64(bucket) + base64(key) + ".bucket-.object-.metadata.json".len() <= 255
}
