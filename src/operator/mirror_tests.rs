use super::*;
use crate::operator::fixtures::received;
use k8s_openapi::api::core::v1::ConfigMap;

fn object(namespace: &str, name: &str, uid: &str, version: &str) -> ConfigMap {
    let some = |text: &str| Some(text.to_owned());
    let metadata = ObjectMeta {
        namespace: some(namespace),
        name: some(name),
        uid: some(uid),
        resource_version: some(version),
        ..ObjectMeta::default()
    };
    ConfigMap { metadata, ..ConfigMap::default() }
}

/// Immutable ones are at rest; of them, and of what is kept, the annotations go.
fn prune(object: &mut ConfigMap) -> bool {
    object.metadata.annotations = None;
    object.immutable != Some(true)
}

fn at_rest(name: &str, uid: &str, version: &str) -> ConfigMap {
    ConfigMap { immutable: Some(true), ..object("n", name, uid, version) }
}

fn words(changes: Vec<Change<ConfigMap>>) -> Vec<String> {
    let tag = |o: &ConfigMap| {
        let meta = &o.metadata;
        [&meta.namespace, &meta.name, &meta.uid, &meta.resource_version].map(|s| s.clone().unwrap()).join("/")
    };
    changes
        .into_iter()
        .map(|change| match change {
            Change::Listed(objects) => {
                let mut tags: Vec<_> =
                    objects.iter().map(|o| format!("{}/{}", o.namespace.as_deref().unwrap(), o.name)).collect();
                tags.sort();
                format!("listed {}", tags.join(" "))
            }
            Change::Applied(o) => format!("applied {}", tag(&o)),
            Change::Rests(o) => format!("rests {}", tag(&o)),
            Change::Unreadable(o, _) => format!("unreadable {}/{}", o.namespace.unwrap(), o.name),
            Change::Deleted(o) => {
                let (namespace, extra) = (o.namespace.unwrap(), o.extra);
                format!("deleted {namespace}/{}/{}/{}", o.name, extra.uid.unwrap(), extra.resource_version.unwrap())
            }
        })
        .collect()
}

fn awake(mirror: &Mirror<ConfigMap>) -> Vec<String> {
    mirror.store().awake().into_iter().map(|object| object.name).collect()
}

fn list(mirror: &mut Mirror<ConfigMap>, feed: usize, objects: Vec<ConfigMap>) -> Vec<String> {
    let events =
        [Event::Init].into_iter().chain(objects.iter().map(received).map(Event::InitApply)).chain([Event::InitDone]);
    events.flat_map(|event| words(mirror.absorb(feed, event))).collect()
}

#[test]
fn a_first_list_that_breaks_off_and_starts_again_loses_what_was_deleted_in_between() {
    let mut mirror = Mirror::new(&[], prune, &[]);
    assert!(mirror.absorb(0, Event::Init).is_empty());
    assert_eq!(words(mirror.absorb(0, Event::InitApply(received(&object("n", "a", "1", "1"))))), ["applied n/a/1/1"]);
    assert!(!mirror.is_complete());
    let told = list(&mut mirror, 0, vec![object("n", "b", "2", "2")]);
    assert_eq!(told, ["applied n/b/2/2", "deleted n/a/1/1", "listed n/b"]);
    assert!(mirror.is_complete());
}

#[test]
fn with_several_feeds_all_have_to_be_complete() {
    let mut mirror = Mirror::new(&["n".to_owned(), "m".to_owned()], prune, &[]);
    assert_eq!(list(&mut mirror, 0, vec![object("n", "a", "1", "1")]), ["applied n/a/1/1"]);
    assert_eq!(words(mirror.absorb(0, Event::Apply(received(&object("n", "c", "3", "4"))))), ["applied n/c/3/4"]);
    assert_eq!(words(mirror.absorb(0, Event::Delete(received(&object("n", "a", "1", "5"))))), ["deleted n/a/1/5"]);
    assert!(!mirror.is_complete());
    assert_eq!(list(&mut mirror, 1, vec![object("m", "a", "2", "2")]), ["applied m/a/2/2", "listed m/a n/c"]);
    // From then on each for itself, and a list of one does not touch what is the other's.
    assert_eq!(list(&mut mirror, 1, vec![]), ["deleted m/a/2/2"]);
    assert_eq!(list(&mut mirror, 0, vec![object("n", "c", "3", "4")]), [""; 0]);
}

#[test]
fn a_later_list_tells_only_differences() {
    let mut mirror = Mirror::new(&[], prune, &[]);
    let before = ["kept", "changed", "gone", "reborn"];
    list(&mut mirror, 0, before.map(|name| object("n", name, name, "1")).to_vec());
    let later = vec![
        object("n", "kept", "kept", "1"),
        object("n", "changed", "changed", "2"),
        object("n", "reborn", "reborn-2", "3"),
        object("n", "new", "new", "4"),
    ];
    assert_eq!(
        list(&mut mirror, 0, later),
        [
            "applied n/changed/changed/2",
            "deleted n/reborn/reborn/1",
            "applied n/reborn/reborn-2/3",
            "applied n/new/new/4",
            "deleted n/gone/gone/1",
        ]
    );
    assert_eq!(mirror.store().len(), 4);
}

#[test]
fn a_list_that_breaks_off_deletes_nothing() {
    let mut mirror = Mirror::new(&[], prune, &[]);
    list(&mut mirror, 0, vec![object("n", "a", "1", "1"), object("n", "b", "2", "1")]);
    mirror.absorb(0, Event::Init);
    mirror.absorb(0, Event::InitApply(received(&object("n", "a", "1", "1"))));
    mirror.absorb(0, Event::Init);
    assert_eq!(mirror.store().len(), 2);
    assert_eq!(words(mirror.absorb(0, Event::Apply(received(&object("n", "b", "2", "9"))))), ["applied n/b/2/9"]);
}

#[test]
fn deletions_are_told_once_and_only_for_the_object_we_know() {
    let mut mirror = Mirror::new(&[], prune, &[]);
    list(&mut mirror, 0, vec![object("n", "a", "1", "1")]);
    assert!(mirror.absorb(0, Event::Delete(received(&object("n", "a", "another", "7")))).is_empty());
    assert_eq!(words(mirror.absorb(0, Event::Delete(received(&object("n", "a", "1", "8"))))), ["deleted n/a/1/8"]);
    assert!(mirror.absorb(0, Event::Delete(received(&object("n", "a", "1", "8")))).is_empty());
}

#[test]
fn an_object_at_rest_is_told_of_once_and_not_kept() {
    let mut mirror = Mirror::new(&[], prune, &[]);
    let first = vec![at_rest("a", "1", "1"), object("n", "b", "2", "1")];
    assert_eq!(list(&mut mirror, 0, first.clone()), ["rests n/a/1/1", "applied n/b/2/1", "listed n/b"]);
    assert_eq!((awake(&mirror), mirror.store().len()), (vec!["b".to_owned()], 2));
    assert_eq!(list(&mut mirror, 0, first), [""; 0]);
    // It may come to rest, begin anew, and go.
    assert_eq!(words(mirror.absorb(0, Event::Apply(received(&at_rest("b", "2", "2"))))), ["rests n/b/2/2"]);
    assert_eq!((awake(&mirror), mirror.store().len()), (vec![], 2));
    assert_eq!(words(mirror.absorb(0, Event::Apply(received(&object("n", "a", "1", "3"))))), ["applied n/a/1/3"]);
    assert_eq!(awake(&mirror), ["a"]);
    assert_eq!(
        list(&mut mirror, 0, vec![at_rest("b", "3", "4")]),
        ["deleted n/b/2/2", "rests n/b/3/4", "deleted n/a/1/3",]
    );
    assert_eq!(words(mirror.absorb(0, Event::Delete(received(&at_rest("b", "3", "5"))))), ["deleted n/b/3/5"]);
    assert_eq!(mirror.store().len(), 0);
}

#[test]
fn an_object_is_unpacked_as_it_was_without_what_nobody_reads() {
    // One phrase within another, one in a value, and what stands for them in a value as well.
    let mut mirror = Mirror::new(&[], prune, &[r#"","name":"a""#, r#""name":"#, "ü"]);
    let mut long = ConfigMap {
        data: Some([("a".to_owned(), "ü\u{1}\u{2}\n\"name\":".to_owned())].into()),
        ..object("n", "a", "1", "1")
    };
    long.metadata.annotations = Some([("note".to_owned(), "long".to_owned())].into());
    list(&mut mirror, 0, vec![long.clone()]);
    long.metadata.annotations = None;
    assert_eq!(mirror.store().get(&ObjectRef::from_obj(&long)), Some(long));
    assert_eq!(mirror.store().get(&ObjectRef::from_obj(&object("m", "a", "1", "1"))), None);
}

#[test]
fn an_object_that_can_not_be_decoded_is_seen_counted_and_told_of_once() {
    let unreadable = |uid: &str, version: &str| -> Received<ConfigMap> {
        let mut object = serde_json::to_value(object("n", "a", uid, version)).unwrap();
        object["immutable"] = serde_json::json!("yes");
        serde_json::from_str(&object.to_string()).unwrap()
    };
    let mut mirror = Mirror::new(&[], prune, &[]);
    mirror.absorb(0, Event::Init);
    assert_eq!(words(mirror.absorb(0, Event::InitApply(unreadable("1", "1")))), ["unreadable n/a"]);
    assert_eq!(words(mirror.absorb(0, Event::InitDone)), ["listed "]);
    assert_eq!((mirror.unreadable(), mirror.store().len()), (1, 1));
    // A later list shows the same: it is neither told of again nor gone.
    mirror.absorb(0, Event::Init);
    assert!(mirror.absorb(0, Event::InitApply(unreadable("1", "1"))).is_empty());
    assert!(mirror.absorb(0, Event::InitDone).is_empty());
    assert_eq!(words(mirror.absorb(0, Event::Apply(unreadable("1", "2")))), ["unreadable n/a"]);
    assert_eq!(mirror.unreadable(), 1);
    assert_eq!(words(mirror.absorb(0, Event::Apply(unreadable("2", "3")))), ["deleted n/a/1/2", "unreadable n/a"]);
    assert_eq!(words(mirror.absorb(0, Event::Apply(received(&object("n", "a", "2", "4"))))), ["applied n/a/2/4"]);
    assert_eq!(mirror.unreadable(), 0);
    mirror.absorb(0, Event::Apply(unreadable("2", "5")));
    assert_eq!(words(mirror.absorb(0, Event::Delete(unreadable("2", "6")))), ["deleted n/a/2/6"]);
    assert_eq!((mirror.unreadable(), mirror.store().len()), (0, 0));
}
