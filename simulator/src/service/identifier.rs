//! From an identifier, an id or an ARN, to the id that it means for a caller.
//!
//! That an ARN of another account is AccessDenied, and one of another Region not found, is a guess:
//! AWS documents neither.

use crate::identity::Scope;
use crate::wire::error::ApiError;
use crate::wire::route::Operation;

/// The caller and the resource, for the text of a refusal.
#[derive(Debug, Clone, Copy)]
pub struct Asker<'a> {
    /// The caller's account and Region.
    pub scope: &'a Scope,
    /// The caller's ARN.
    pub principal: &'a str,
    /// What they want to do.
    pub operation: Operation,
}

impl Asker<'_> {
    /// The words of a refusal of IAM.
    #[must_use]
    pub fn denied(&self, resource: &str) -> ApiError {
        ApiError::access_denied(format!(
            "User: {} is not authorized to perform: gameliftstreams:{} on resource: {resource}",
            self.principal,
            self.operation.name()
        ))
    }

    /// The id of a stream group.
    pub fn group<'a>(&self, identifier: &'a str) -> Result<&'a str, ApiError> {
        let Some(resource) = self.resource(identifier, "Stream group")? else {
            return Ok(identifier);
        };
        match resource.split('/').collect::<Vec<_>>().as_slice() {
            ["streamgroup", id] if !id.is_empty() => Ok(id),
            _ => Err(wrong_kind(identifier, "stream group")),
        }
    }

    /// The id of a stream session of this group; the older form of the ARN doesn't name one.
    pub fn session<'a>(&self, group: &str, identifier: &'a str) -> Result<&'a str, ApiError> {
        let Some(resource) = self.resource(identifier, "Stream session")? else {
            return Ok(identifier);
        };
        match resource.split('/').collect::<Vec<_>>().as_slice() {
            ["streamsession", of, id] if *of == group && !id.is_empty() => Ok(id),
            ["streamsession", _, id] if !id.is_empty() => Err(unknown("Stream session", identifier)),
            ["streamsession", id] if !id.is_empty() => Ok(id),
            _ => Err(wrong_kind(identifier, "stream session")),
        }
    }

    /// The last part of an ARN of the caller's own account and Region; nothing for a plain id.
    fn resource<'a>(&self, identifier: &'a str, what: &str) -> Result<Option<&'a str>, ApiError> {
        let parts: Vec<&str> = identifier.splitn(6, ':').collect();
        match parts.as_slice() {
            ["arn", "aws", "gameliftstreams", region, account, resource] => {
                if *account != self.scope.account {
                    Err(self.denied(identifier))
                } else if *region != self.scope.region {
                    Err(unknown(what, identifier))
                } else {
                    Ok(Some(resource))
                }
            }
            _ => Ok(None),
        }
    }
}

/// ResourceNotFoundException for something.
#[must_use]
pub fn unknown(what: &str, identifier: &str) -> ApiError {
    ApiError::not_found(format!("{what} {identifier} not found."))
}

fn wrong_kind(identifier: &str, wanted: &str) -> ApiError {
    ApiError::validation(format!("{identifier} is not the ARN of a {wanted}."))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GROUP: &str = "arn:aws:gameliftstreams:us-west-2:111122223333:streamgroup/sg-1";
    const SESSION: &str = "arn:aws:gameliftstreams:us-west-2:111122223333:streamsession/sg-1/s1";

    fn with_asker<T>(ask: impl FnOnce(&Asker<'_>) -> T) -> T {
        let scope = Scope::new("111122223333", "us-west-2");
        ask(&Asker { scope: &scope, principal: "arn:aws:iam::1:user/u", operation: Operation::GetStreamSession })
    }

    #[test]
    fn ids_and_arns_mean_the_same() {
        with_asker(|asker| {
            assert_eq!(asker.group("sg-1").unwrap(), "sg-1");
            assert_eq!(asker.group(GROUP).unwrap(), "sg-1");
            assert_eq!(asker.session("sg-1", "s1").unwrap(), "s1");
            assert_eq!(asker.session("sg-1", SESSION).unwrap(), "s1");
            assert_eq!(asker.session("sg-1", &SESSION.replace("sg-1/", "")).unwrap(), "s1");
        });
    }

    #[test]
    fn foreign_and_unfit_arns_are_refused() {
        with_asker(|asker| {
            let code = |result: Result<&str, ApiError>| result.unwrap_err().code;
            assert_eq!(code(asker.group(&GROUP.replace("1111", "9999"))), "AccessDeniedException");
            assert_eq!(code(asker.group(&GROUP.replace("us-west", "eu-west"))), "ResourceNotFoundException");
            assert_eq!(code(asker.group(SESSION)), "ValidationException");
            assert_eq!(code(asker.session("sg-1", GROUP)), "ValidationException");
            assert_eq!(code(asker.session("sg-2", SESSION)), "ResourceNotFoundException");
        });
    }
}
