use super::*;
use crate::runtime::fixtures::received;
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

/// Immutable ConfigMaps count as finished; one without a uid can't be used.
fn parse(object: ConfigMap) -> Result<ParsedObject<ConfigMap>, DecodeError> {
    if object.metadata.uid.as_deref() == Some("") {
        return Err(DecodeError::new(&"no uid"));
    }
    let object = Arc::new(object);
    Ok(if object.immutable == Some(true) { ParsedObject::Finished(object) } else { ParsedObject::Active(object) })
}

fn finished(name: &str, uid: &str, version: &str) -> ConfigMap {
    ConfigMap { immutable: Some(true), ..object("n", name, uid, version) }
}

fn words(changes: Vec<CacheChange<ConfigMap, ConfigMap>>) -> Vec<String> {
    let tag = |o: &ConfigMap| {
        let meta = &o.metadata;
        [&meta.namespace, &meta.name, &meta.uid, &meta.resource_version].map(|s| s.clone().unwrap()).join("/")
    };
    changes
        .into_iter()
        .map(|change| match change {
            CacheChange::Listed(objects) => {
                let mut tags: Vec<_> =
                    objects.iter().map(|o| format!("{}/{}", o.namespace.as_deref().unwrap(), o.name)).collect();
                tags.sort();
                format!("listed {}", tags.join(" "))
            }
            CacheChange::Applied(_, o) => format!("applied {}", tag(&o)),
            CacheChange::Finished(_, o) => format!("rests {}", tag(&o)),
            CacheChange::Unreadable(o, _) => format!("unreadable {}/{}", o.namespace.unwrap(), o.name),
            CacheChange::Deleted(o) => {
                let (namespace, extra) = (o.namespace.unwrap(), o.extra);
                format!("deleted {namespace}/{}/{}/{}", o.name, extra.uid.unwrap(), extra.resource_version.unwrap())
            }
        })
        .collect()
}

fn awake(cache: &ObjectCache<ConfigMap, ConfigMap>) -> Vec<String> {
    cache.shared_store().active_objects().into_iter().map(|object| object.name).collect()
}

fn list(cache: &mut ObjectCache<ConfigMap, ConfigMap>, feed: usize, objects: Vec<ConfigMap>) -> Vec<String> {
    let events =
        [Event::Init].into_iter().chain(objects.iter().map(received).map(Event::InitApply)).chain([Event::InitDone]);
    events.flat_map(|event| words(cache.apply(feed, event))).collect()
}

#[test]
fn a_first_list_that_breaks_off_and_starts_again_loses_what_was_deleted_in_between() {
    let mut cache = ObjectCache::new(&[], parse);
    assert!(cache.apply(0, Event::Init).is_empty());
    assert_eq!(words(cache.apply(0, Event::InitApply(received(&object("n", "a", "1", "1"))))), ["applied n/a/1/1"]);
    assert!(!cache.has_synced());
    let changes = list(&mut cache, 0, vec![object("n", "b", "2", "2")]);
    assert_eq!(changes, ["applied n/b/2/2", "deleted n/a/1/1", "listed n/b"]);
    assert!(cache.has_synced());
}

#[test]
fn with_several_feeds_all_have_to_be_complete() {
    let mut cache = ObjectCache::new(&["n".to_owned(), "m".to_owned()], parse);
    assert_eq!(list(&mut cache, 0, vec![object("n", "a", "1", "1")]), ["applied n/a/1/1"]);
    assert_eq!(words(cache.apply(0, Event::Apply(received(&object("n", "c", "3", "4"))))), ["applied n/c/3/4"]);
    assert_eq!(words(cache.apply(0, Event::Delete(received(&object("n", "a", "1", "5"))))), ["deleted n/a/1/5"]);
    assert!(!cache.has_synced());
    assert_eq!(list(&mut cache, 1, vec![object("m", "a", "2", "2")]), ["applied m/a/2/2", "listed m/a n/c"]);
    // After that a list of one feed doesn't touch the other's objects.
    assert_eq!(list(&mut cache, 1, vec![]), ["deleted m/a/2/2"]);
    assert_eq!(list(&mut cache, 0, vec![object("n", "c", "3", "4")]), [""; 0]);
}

#[test]
fn a_later_list_yields_only_differences() {
    let mut cache = ObjectCache::new(&[], parse);
    let before = ["kept", "changed", "gone", "reborn"];
    list(&mut cache, 0, before.map(|name| object("n", name, name, "1")).to_vec());
    let later = vec![
        object("n", "kept", "kept", "1"),
        object("n", "changed", "changed", "2"),
        object("n", "reborn", "reborn-2", "3"),
        object("n", "new", "new", "4"),
    ];
    assert_eq!(
        list(&mut cache, 0, later),
        [
            "applied n/changed/changed/2",
            "deleted n/reborn/reborn/1",
            "applied n/reborn/reborn-2/3",
            "applied n/new/new/4",
            "deleted n/gone/gone/1",
        ]
    );
    assert_eq!(cache.shared_store().len(), 4);
}

#[test]
fn a_list_that_breaks_off_deletes_nothing() {
    let mut cache = ObjectCache::new(&[], parse);
    list(&mut cache, 0, vec![object("n", "a", "1", "1"), object("n", "b", "2", "1")]);
    cache.apply(0, Event::Init);
    cache.apply(0, Event::InitApply(received(&object("n", "a", "1", "1"))));
    cache.apply(0, Event::Init);
    assert_eq!(cache.shared_store().len(), 2);
    assert_eq!(words(cache.apply(0, Event::Apply(received(&object("n", "b", "2", "9"))))), ["applied n/b/2/9"]);
}

#[test]
fn a_list_behind_the_watch_before_changes_nothing() {
    let mut cache = ObjectCache::new(&[], parse);
    let at = |name: &str, uid: &str, version: &str| received(&object("n", name, uid, version));
    list(
        &mut cache,
        0,
        vec![object("n", "changed", "1", "1"), object("n", "gone", "2", "2"), object("n", "again", "3", "3")],
    );
    cache.apply(0, Event::Init);
    for event in [
        Event::Apply(at("changed", "1", "11")),
        Event::Delete(at("gone", "2", "12")),
        Event::Apply(at("new", "4", "13")),
        Event::Delete(at("again", "3", "14")),
        Event::Apply(at("again", "5", "15")),
    ] {
        assert_eq!(cache.apply(0, event).len(), 1);
    }
    let behind = [
        Event::InitApply(at("changed", "1", "9")),
        Event::InitApply(at("gone", "2", "2")),
        Event::InitApply(at("again", "3", "3")),
        Event::InitDone,
        Event::Apply(at("changed", "1", "10")),
        Event::Apply(at("changed", "1", "11")),
        Event::Apply(at("gone", "2", "11")),
        Event::Delete(at("gone", "2", "12")),
        Event::Apply(at("new", "4", "13")),
        Event::Delete(at("again", "3", "14")),
        Event::Apply(at("again", "5", "15")),
    ];
    for event in behind {
        assert_eq!(words(cache.apply(0, event)), [""; 0]);
    }
    assert_eq!(words(cache.apply(0, Event::Apply(at("changed", "1", "16")))), ["applied n/changed/1/16"]);
    // Its labels had left the selection.
    assert_eq!(words(cache.apply(0, Event::Apply(at("gone", "2", "17")))), ["applied n/gone/2/17"]);
    // After a restored backup all versions are older, and lists show them.
    assert_eq!(list(&mut cache, 0, vec![object("n", "changed", "1", "7")])[0], "applied n/changed/1/7");
}

#[test]
fn deletions_are_reported_once_and_only_for_the_known_object() {
    let mut cache = ObjectCache::new(&[], parse);
    list(&mut cache, 0, vec![object("n", "a", "1", "1")]);
    assert!(cache.apply(0, Event::Delete(received(&object("n", "a", "another", "7")))).is_empty());
    assert_eq!(words(cache.apply(0, Event::Delete(received(&object("n", "a", "1", "8"))))), ["deleted n/a/1/8"]);
    assert!(cache.apply(0, Event::Delete(received(&object("n", "a", "1", "8")))).is_empty());
}

#[test]
fn a_finished_object_is_reported_once_and_not_kept() {
    let mut cache = ObjectCache::new(&[], parse);
    let first = vec![finished("a", "1", "1"), object("n", "b", "2", "1")];
    assert_eq!(list(&mut cache, 0, first.clone()), ["rests n/a/1/1", "applied n/b/2/1", "listed n/b"]);
    assert_eq!((awake(&cache), cache.shared_store().len()), (vec!["b".to_owned()], 2));
    assert_eq!(list(&mut cache, 0, first), [""; 0]);
    // An object may finish, become active again, and be deleted.
    assert_eq!(words(cache.apply(0, Event::Apply(received(&finished("b", "2", "2"))))), ["rests n/b/2/2"]);
    assert_eq!((awake(&cache), cache.shared_store().len()), (vec![], 2));
    assert_eq!(words(cache.apply(0, Event::Apply(received(&object("n", "a", "1", "3"))))), ["applied n/a/1/3"]);
    assert_eq!(awake(&cache), ["a"]);
    assert_eq!(
        list(&mut cache, 0, vec![finished("b", "3", "4")]),
        ["deleted n/b/2/2", "rests n/b/3/4", "deleted n/a/1/3",]
    );
    assert_eq!(words(cache.apply(0, Event::Delete(received(&finished("b", "3", "5"))))), ["deleted n/b/3/5"]);
    assert_eq!(cache.shared_store().len(), 0);
}

#[test]
fn an_object_is_found_by_namespace_and_name_until_it_is_finished() {
    let mut cache = ObjectCache::new(&[], parse);
    list(&mut cache, 0, vec![object("n", "a", "1", "1")]);
    let at = |namespace: &str| ObjectRef::<ConfigMap>::new("a").within(namespace);
    assert_eq!(cache.shared_store().get(&at("n")).as_deref(), Some(&object("n", "a", "1", "1")));
    assert_eq!(cache.shared_store().get(&at("m")), None);
    words(cache.apply(0, Event::Apply(received(&finished("a", "1", "2")))));
    assert_eq!(cache.shared_store().get(&at("n")), None);
}

#[test]
fn an_object_that_can_not_be_parsed_counts_as_undecodable() {
    let mut cache = ObjectCache::new(&[], parse);
    assert_eq!(list(&mut cache, 0, vec![object("n", "a", "", "1")]), ["unreadable n/a", "listed "]);
    assert_eq!((cache.unreadable_count(), awake(&cache)), (1, vec![]));
}

#[test]
fn an_undecodable_object_is_counted_and_reported_once() {
    let unreadable = |uid: &str, version: &str| -> Received<ConfigMap> {
        let mut object = serde_json::to_value(object("n", "a", uid, version)).unwrap();
        object["immutable"] = serde_json::json!("yes");
        serde_json::from_str(&object.to_string()).unwrap()
    };
    let mut cache = ObjectCache::new(&[], parse);
    cache.apply(0, Event::Init);
    assert_eq!(words(cache.apply(0, Event::InitApply(unreadable("1", "1")))), ["unreadable n/a"]);
    assert_eq!(words(cache.apply(0, Event::InitDone)), ["listed "]);
    assert_eq!((cache.unreadable_count(), cache.shared_store().len()), (1, 1));
    // A later list shows the same version: the object is neither reported again nor deleted.
    cache.apply(0, Event::Init);
    assert!(cache.apply(0, Event::InitApply(unreadable("1", "1"))).is_empty());
    assert!(cache.apply(0, Event::InitDone).is_empty());
    assert_eq!(words(cache.apply(0, Event::Apply(unreadable("1", "2")))), ["unreadable n/a"]);
    assert_eq!(cache.unreadable_count(), 1);
    assert_eq!(words(cache.apply(0, Event::Apply(unreadable("2", "3")))), ["deleted n/a/1/2", "unreadable n/a"]);
    assert_eq!(words(cache.apply(0, Event::Apply(received(&object("n", "a", "2", "4"))))), ["applied n/a/2/4"]);
    assert_eq!(cache.unreadable_count(), 0);
    cache.apply(0, Event::Apply(unreadable("2", "5")));
    assert_eq!(words(cache.apply(0, Event::Delete(unreadable("2", "6")))), ["deleted n/a/2/6"]);
    assert_eq!((cache.unreadable_count(), cache.shared_store().len()), (0, 0));
}
