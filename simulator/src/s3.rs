//! The embedded S3: s3s-fs on a folder, with access control that S3 has and s3s-fs lacks.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response, StatusCode};
use s3s::access::{S3Access, S3AccessContext};
use s3s::auth::{S3Auth, SecretKey};
use s3s::dto::{CopyObjectInput, CopySource, DeleteObjectsInput, PutObjectInput, UploadPartCopyInput};
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::{S3Request, S3Result, s3_error};

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
        match path.as_object() {
            Some((bucket, key)) => self.check_object(bucket, key),
            None => path.get_bucket_name().map_or(Ok(()), |bucket| self.check_denied(bucket)),
        }
    }

    // Keys that aren't in the path. POST with a form comes here, too.
    async fn put_object(&self, request: &mut S3Request<PutObjectInput>) -> S3Result<()> {
        self.check_object(&request.input.bucket, &request.input.key)
    }

    async fn copy_object(&self, request: &mut S3Request<CopyObjectInput>) -> S3Result<()> {
        self.check_source(&request.input.copy_source)
    }

    async fn upload_part_copy(&self, request: &mut S3Request<UploadPartCopyInput>) -> S3Result<()> {
        self.check_source(&request.input.copy_source)
    }

    async fn delete_objects(&self, request: &mut S3Request<DeleteObjectsInput>) -> S3Result<()> {
        let DeleteObjectsInput { bucket, delete, .. } = &request.input;
        delete.objects.iter().try_for_each(|object| self.check_object(bucket, &object.key))
    }
}

impl Gate {
    fn check_denied(&self, bucket: &str) -> S3Result<()> {
        if self.denied.iter().any(|denied| denied == bucket) {
            return Err(s3_error!(AccessDenied, "Access Denied"));
        }
        Ok(())
    }

    fn check_object(&self, bucket: &str, key: &str) -> S3Result<()> {
        self.check_denied(bucket)?;
        if !self.folder.join(bucket).is_dir() {
            return Err(s3_error!(NoSuchBucket, "The specified bucket does not exist"));
        }
        if !stays_inside(key) {
            return Err(s3_error!(InvalidArgument, "{}", UNSAFE_KEY));
        }
        if !fits(bucket, key) {
            return Err(s3_error!(KeyTooLongError, "Your key is too long for the simulator's embedded S3"));
        }
        Ok(())
    }

    fn check_source(&self, source: &CopySource) -> S3Result<()> {
        match source {
            CopySource::Bucket { bucket, key, .. } => self.check_object(bucket, key),
            // s3s-fs has neither.
            CopySource::AccessPoint { .. } | CopySource::Outpost { .. } => Ok(()),
        }
    }
}

const UNSAFE_KEY: &str = "The key was refused. The simulator keeps objects as files, and accepts keys whose segments \
                          between slashes are neither empty nor . or .. and have no backslash and no NUL; one slash at \
                          the end is accepted";

/// Whether the file of this key lies in its bucket's folder. An empty segment could begin an absolute path, or lead to
/// the file of another key.
fn stays_inside(key: &str) -> bool {
    let is_plain = |segment: &str| !matches!(segment, "" | "." | "..") && !segment.contains(['\\', '\0']);
    key.strip_suffix('/').unwrap_or(key).split('/').all(is_plain)
}

/// A refusal in S3's XML, of a request that S3 is not to see. `why` is shown as text.
pub fn refuse(why: &str) -> Response<s3s::Body> {
    let text = why.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let xml = format!("<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code><Message>{text}</Message></Error>");
    let mut response = Response::new(s3s::Body::from(xml));
    *response.status_mut() = StatusCode::FORBIDDEN;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/xml"));
    response
}

/// s3s-fs keeps an object's metadata in a file named by bucket and key in Base64, and fails in the
/// middle of a PUT when that name is longer than a file's may be.
fn fits(bucket: &str, key: &str) -> bool {
    let base64 = |text: &str| (text.len() * 4).div_ceil(3);
    base64(bucket) + base64(key) + ".bucket-.object-.metadata.json".len() <= 255
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_stays_in_its_buckets_folder() {
        for key in ["a", "a/b.zip", "a/", "..a/b..", "...", "a/.b", "%2e%2e/a", "a b", "ä/ö", "a:b", "-"] {
            assert!(stays_inside(key), "{key}");
        }
        for key in [
            "", "/", "//", ".", "..", "./a", "../a", "../../x", "a/../b", "a/..", "a/../", "a/./b", "a/.", "/etc/x",
            "a//b", "a//", "//a", "a\\b", "..\\x", "a\0", "\0", "a/\0/b",
        ] {
            assert!(!stays_inside(key), "{key:?}");
        }
    }

    #[test]
    fn the_folder_of_a_bucket_is_where_its_files_are() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("exports")).unwrap();
        let gate = Gate { folder: folder.path().to_owned(), denied: vec!["denied".to_owned()] };
        let code = |bucket, key| gate.check_object(bucket, key).map_err(|error| error.code().as_str().to_owned());
        assert_eq!(code("exports", "a/b.zip"), Ok(()));
        assert_eq!(code("exports", "../exports/b.zip").unwrap_err(), "InvalidArgument");
        assert_eq!(code("denied", "b.zip").unwrap_err(), "AccessDenied");
        assert_eq!(code("none", "b.zip").unwrap_err(), "NoSuchBucket");
        assert_eq!(code("exports", &"x".repeat(300)).unwrap_err(), "KeyTooLongError");
    }
}
