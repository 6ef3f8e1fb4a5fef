use super::*;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::core::ObjectMeta;

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
                let mut tags: Vec<_> = objects.iter().map(|o| tag(o)).collect();
                tags.sort();
                format!("listed {}", tags.join(" "))
            }
            Change::Applied(o) => format!("applied {}", tag(&o)),
            Change::Rests(o) => format!("rests {}", tag(&o)),
            Change::Deleted(o) => {
                let (namespace, extra) = (o.namespace.unwrap(), o.extra);
                format!("deleted {namespace}/{}/{}/{}", o.name, extra.uid.unwrap(), extra.resource_version.unwrap())
            }
        })
        .collect()
}

fn list(mirror: &mut Mirror<ConfigMap>, feed: usize, objects: Vec<ConfigMap>) -> Vec<String> {
    let events = [Event::Init].into_iter().chain(objects.into_iter().map(Event::InitApply)).chain([Event::InitDone]);
    events.flat_map(|event| words(mirror.absorb(feed, event))).collect()
}

#[test]
fn nothing_is_told_before_the_first_list_is_complete() {
    let mut mirror = Mirror::new(&[], prune);
    assert!(mirror.absorb(0, Event::Init).is_empty());
    assert!(mirror.absorb(0, Event::InitApply(object("n", "a", "1", "1"))).is_empty());
    // The list breaks off and starts again, without what was deleted in between.
    assert!(!mirror.is_complete());
    assert_eq!(list(&mut mirror, 0, vec![object("n", "b", "2", "2")]), ["listed n/b/2/2"]);
    assert!(mirror.is_complete());
}

#[test]
fn with_several_feeds_all_have_to_be_complete() {
    let mut mirror = Mirror::new(&["n".to_owned(), "m".to_owned()], prune);
    assert!(list(&mut mirror, 0, vec![object("n", "a", "1", "1")]).is_empty());
    assert!(mirror.absorb(0, Event::Apply(object("n", "c", "3", "4"))).is_empty());
    assert!(mirror.absorb(0, Event::Delete(object("n", "a", "1", "5"))).is_empty());
    assert_eq!(list(&mut mirror, 1, vec![object("m", "a", "2", "2")]), ["listed m/a/2/2 n/c/3/4"]);
    // From then on each for itself, and a list of one does not touch what is the other's.
    assert_eq!(list(&mut mirror, 1, vec![]), ["deleted m/a/2/2"]);
    assert_eq!(list(&mut mirror, 0, vec![object("n", "c", "3", "4")]), [""; 0]);
}

#[test]
fn a_later_list_tells_only_differences() {
    let mut mirror = Mirror::new(&[], prune);
    let before = ["kept", "changed", "gone", "reborn"];
    list(&mut mirror, 0, before.map(|name| object("n", name, name, "1")).to_vec());
    let kept = mirror.store().get(&ObjectRef::from_obj(&object("n", "kept", "", ""))).unwrap();
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
    let same = mirror.store().get(&ObjectRef::from_obj(&*kept)).unwrap();
    assert!(Arc::ptr_eq(&kept, &same), "an unchanged object was replaced");
    assert_eq!(mirror.store().len(), 4);
}

#[test]
fn a_list_that_breaks_off_deletes_nothing() {
    let mut mirror = Mirror::new(&[], prune);
    list(&mut mirror, 0, vec![object("n", "a", "1", "1"), object("n", "b", "2", "1")]);
    mirror.absorb(0, Event::Init);
    mirror.absorb(0, Event::InitApply(object("n", "a", "1", "1")));
    mirror.absorb(0, Event::Init);
    assert_eq!(mirror.store().len(), 2);
    assert_eq!(words(mirror.absorb(0, Event::Apply(object("n", "b", "2", "9")))), ["applied n/b/2/9"]);
}

#[test]
fn deletions_are_told_once_and_only_for_the_object_we_know() {
    let mut mirror = Mirror::new(&[], prune);
    list(&mut mirror, 0, vec![object("n", "a", "1", "1")]);
    assert!(mirror.absorb(0, Event::Delete(object("n", "a", "another", "7"))).is_empty());
    assert_eq!(words(mirror.absorb(0, Event::Delete(object("n", "a", "1", "8")))), ["deleted n/a/1/8"]);
    assert!(mirror.absorb(0, Event::Delete(object("n", "a", "1", "8"))).is_empty());
}

#[test]
fn an_object_at_rest_is_told_of_once_and_not_kept() {
    let mut mirror = Mirror::new(&[], prune);
    let first = vec![at_rest("a", "1", "1"), object("n", "b", "2", "1")];
    assert_eq!(list(&mut mirror, 0, first.clone()), ["rests n/a/1/1", "listed n/b/2/1"]);
    assert_eq!((mirror.store().len(), mirror.len()), (1, 2));
    assert_eq!(list(&mut mirror, 0, first), [""; 0]);
    // It may come to rest, begin anew, and go.
    assert_eq!(words(mirror.absorb(0, Event::Apply(at_rest("b", "2", "2")))), ["rests n/b/2/2"]);
    assert_eq!((mirror.store().len(), mirror.len()), (0, 2));
    assert_eq!(words(mirror.absorb(0, Event::Apply(object("n", "a", "1", "3")))), ["applied n/a/1/3"]);
    assert_eq!(mirror.store().len(), 1);
    assert_eq!(
        list(&mut mirror, 0, vec![at_rest("b", "3", "4")]),
        ["deleted n/b/2/2", "rests n/b/3/4", "deleted n/a/1/3",]
    );
    assert_eq!(words(mirror.absorb(0, Event::Delete(at_rest("b", "3", "5")))), ["deleted n/b/3/5"]);
    assert_eq!((mirror.store().len(), mirror.len()), (0, 0));
}

#[test]
fn one_at_rest_that_goes_before_the_list_is_complete_is_told_of_as_gone() {
    let mut mirror = Mirror::new(&[], prune);
    mirror.absorb(0, Event::Init);
    assert_eq!(words(mirror.absorb(0, Event::InitApply(at_rest("a", "1", "1")))), ["rests n/a/1/1"]);
    assert!(mirror.absorb(0, Event::InitApply(object("n", "b", "2", "1"))).is_empty());
    // The list breaks off, and both are deleted before the next.
    assert_eq!(list(&mut mirror, 0, vec![]), ["deleted n/a/1/1", "listed "]);
}

#[test]
fn what_nobody_reads_is_not_stored() {
    let mut mirror = Mirror::new(&[], prune);
    let mut long = object("n", "a", "1", "1");
    long.metadata.annotations = Some([("note".to_owned(), "long".to_owned())].into());
    list(&mut mirror, 0, vec![long]);
    assert_eq!(mirror.store().state()[0].metadata.annotations, None);
}
