//! Objects that no rule covers, on the session and the destination of the first object, each with a different forged
//! status. They all exist at once, so that an effect of any of them shows.

use crate::api::ExportStatus;
use crate::export::bounded_model_tests::setting::{KEY, PREFIX, SESSIONS, Setting};
use crate::export::fixtures::{at, export, wall};
use crate::export::forgery::Forgery;
use crate::export::world::{HOSTILE, World};

const EVERYTHING: &[Forgery] = &[
    Forgery::RequestAttemptTime,
    Forgery::RequestTime,
    Forgery::ExportStatus(ExportStatus::Pending),
    Forgery::OutputUri(PREFIX),
    Forgery::Session(SESSIONS[0]),
    Forgery::Conditions,
];

/// Forgeries by object name; the names sort before the covered objects'. The last one requests the key that AWS
/// derives from the prefix.
const FORGERIES: [(&str, &[Forgery]); 10] = [
    ("0-request-attempt-time", &[Forgery::RequestAttemptTime]),
    ("0-request-time", &[Forgery::RequestTime]),
    ("0-pending", &[Forgery::ExportStatus(ExportStatus::Pending)]),
    ("0-succeeded", &[Forgery::ExportStatus(ExportStatus::Succeeded)]),
    ("0-failed", &[Forgery::ExportStatus(ExportStatus::Failed)]),
    ("0-completion-time", &[Forgery::CompletionTime]),
    ("0-output-uri", &[Forgery::OutputUri(PREFIX)]),
    ("0-session", &[Forgery::Session(SESSIONS[0])]),
    ("0-everything", EVERYTHING),
    (CLOSER, EVERYTHING),
];
const CLOSER: &str = "0-everything-closer";

pub(super) fn create(setting: &Setting, world: &mut World) {
    let (session, destination) = setting.pair.requests()[0];
    for (name, _) in FORGERIES {
        let uri = if name == CLOSER { KEY } else { destination };
        world.create(export().named(name).in_namespace(HOSTILE).of_session(session).to(uri));
    }
}

pub(super) fn forge(world: &mut World) {
    let now = wall(world.seconds);
    for (name, forgeries) in FORGERIES {
        world.edit(name, |export| forgeries.iter().for_each(|forgery| forgery.write(&mut export.status, now)));
    }
}

pub(super) fn delete(world: &mut World) {
    FORGERIES.iter().for_each(|(name, _)| world.delete_uncovered(name));
}

/// Asserts that the state doesn't hold them.
pub(super) fn assert_unknown(world: &World) {
    for (name, _) in FORGERIES {
        let Some(object) = world.objects.get(name) else { continue };
        let recalled = world.state.snapshot(&object.export.uid, at(world.seconds).mono);
        assert!(recalled.is_none(), "{name} is remembered: {recalled:?}");
    }
}
