//! Sequences of the CRM: somebody is taken in once, and looked for before it is
//! ever repeated.

use odx_core::crm::Enrollment;
use odx_core::effect::{ActError, Receipt};
use odx_core::http::{self, Method, Reply};
use odx_core::{ContentHash, Error, IdempotencyKey, Result};
use serde_json::Value;

use super::client::{Client, json, segment};
use super::error::Cause;
use super::wire;

impl Client {
    /// Takes somebody into a sequence, in one request.
    pub(super) async fn enroll(
        &self,
        enrollment: &Enrollment,
        key: &IdempotencyKey,
    ) -> Result<Receipt, ActError> {
        let refused = |cause: Cause| ActError::Refused(cause.into());
        let url = self.enrollment(enrollment).map_err(ActError::NotSent)?;
        let canonical = serde_json::to_vec(enrollment).map_err(|_| refused(Cause::NotAnObject))?;
        let hash = ContentHash::of(&canonical);
        let body = wire::hashed(&canonical, hash).map_err(refused)?;
        let request = self
            .request(Method::PUT, url)
            .header("Idempotency-Key", self.key(key))
            .header("Content-Type", "application/json")
            .body(body.into_exposed());
        let reply = self.raw(request).await.map_err(|error| {
            let unreached = Cause::Unreached(error.chain()).into();
            if http::never_sent(&error) {
                ActError::NotSent(unreached)
            } else {
                ActError::InDoubt(unreached)
            }
        })?;
        self.enrolled(&reply)
    }

    /// What an answer proves. Only a 429 is proof that nothing happened and that
    /// it may be tried again.
    fn enrolled(&self, reply: &Reply) -> Result<Receipt, ActError> {
        let doubt = |cause: Cause| ActError::InDoubt(cause.into());
        let refused = |cause: Cause| ActError::Refused(cause.into());
        let status = reply.status.as_u16();
        let body: Option<Value> = serde_json::from_slice(&reply.body).ok();
        let code = body.as_ref().and_then(wire::code);
        let is = |word: &str| code.as_deref() == Some(word);
        Err(match status {
            // What is cut, or somebody else's page, may stand before what was done.
            200..=299 => match json(reply) {
                Ok(answer) => {
                    let remote_id = answer.as_ref().and_then(wire::remote_id);
                    return Ok(Receipt { remote_id });
                }
                Err(cause) => doubt(cause),
            },
            429 => {
                let error = Error::from(Cause::SlowDown).with_after(self.wait(reply));
                ActError::NotSent(error)
            }
            401 => refused(Cause::Token),
            403 => refused(Cause::Forbidden),
            301 | 307 | 308 => refused(Cause::Redirect(status)),
            404 | 405 | 410 => refused(Cause::NoSequences(status)),
            // An earlier attempt is there, or under way: it is looked up.
            422 if is("idempotency_mismatch") => doubt(Cause::KeyReused(status, code)),
            409 => doubt(Cause::InProgress),
            408 | 423 | 425 => doubt(Cause::Busy(status)),
            412 => refused(Cause::Conflict(status, code)),
            413 => refused(Cause::TooLarge(status, code)),
            400..=499 => refused(Cause::Content(status, code)),
            // A server may answer so after it has done it.
            300..=399 => doubt(Cause::Redirect(status)),
            _ => doubt(Cause::Busy(status)),
        })
    }

    /// Looks for it. 200 is there, 404 is not; whatever else came says neither.
    pub(super) async fn find_enrollment(&self, enrollment: &Enrollment) -> Result<Option<Receipt>> {
        let url = self.enrollment(enrollment)?;
        let reply = self
            .raw(self.request(Method::GET, url))
            .await
            .map_err(|error| Cause::Unreached(error.chain()))?;
        let after = self.wait(&reply);
        match reply.status.as_u16() {
            200 => {
                let answer = json(&reply)?.ok_or(Cause::Cut)?;
                let named = answer.get("external_id").and_then(Value::as_str);
                if named.is_some_and(|named| named != enrollment.external_id.as_str()) {
                    return Err(Cause::NotNamed.into());
                }
                let remote_id = wire::remote_id(&answer);
                Ok(Some(Receipt { remote_id }))
            }
            // A page of somebody else is no word of the CRM.
            404 => json(&reply).map(|_| None).map_err(Error::from),
            401 => Err(Cause::Token.into()),
            403 => Err(Cause::Forbidden.into()),
            status @ 300..=399 => Err(Cause::Redirect(status).into()),
            429 => Err(Error::from(Cause::SlowDown).with_after(after)),
            status @ (405 | 410 | 501) => Err(Cause::NoSequences(status).into()),
            status => Err(Error::from(Cause::Busy(status)).with_after(after)),
        }
    }

    fn enrollment(&self, enrollment: &Enrollment) -> Result<url::Url> {
        let id = segment(enrollment.external_id.as_str());
        self.address(&format!("enrollments/{id}"))
    }
}
