//! A value and what it was before, so that reads can lag.

use crate::clock::Millis;

/// The versions of a value, oldest first; never empty.
#[derive(Debug, Clone)]
pub struct History<T> {
    current: (Millis, T),
    older: Vec<(Millis, T)>,
}

impl<T> History<T> {
    /// A value that has always been so.
    pub fn new(since: Millis, value: T) -> Self {
        Self { current: (since, value), older: Vec::new() }
    }

    /// The value now.
    pub fn current(&self) -> &T {
        &self.current.1
    }

    /// Since when.
    pub fn since(&self) -> Millis {
        self.current.0
    }

    /// All values, oldest first, with the time of each.
    pub fn versions(&self) -> impl Iterator<Item = (Millis, &T)> {
        self.older.iter().chain(std::iter::once(&self.current)).map(|(since, value)| (*since, value))
    }

    /// When the value first was such, if it ever was.
    pub fn first_since(&self, is_such: impl Fn(&T) -> bool) -> Option<Millis> {
        self.versions().find(|(_, value)| is_such(value)).map(|(since, _)| since)
    }

    /// Sets the value from `at` on.
    pub fn set(&mut self, at: Millis, value: T) {
        let previous = std::mem::replace(&mut self.current, (at, value));
        self.older.push(previous);
    }

    /// The value as it was at a time; before the first version, the first.
    pub fn as_of(&self, at: Millis) -> &T {
        if self.current.0 <= at {
            return &self.current.1;
        }
        let version = self.older.iter().rev().find(|(since, _)| *since <= at);
        version.or_else(|| self.older.first()).map_or(&self.current.1, |(_, value)| value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lagging_read_sees_the_version_of_its_time() {
        let mut history = History::new(10, 'a');
        history.set(20, 'b');
        history.set(30, 'c');
        for (at, seen) in [(5, 'a'), (10, 'a'), (19, 'a'), (20, 'b'), (29, 'b'), (30, 'c'), (99, 'c')] {
            assert_eq!(*history.as_of(at), seen, "{at}");
        }
        assert_eq!((*history.current(), history.since()), ('c', 30));
    }

    #[test]
    fn the_first_version_of_a_kind_is_found_also_when_it_is_past() {
        let mut history = History::new(10, 'a');
        history.set(20, 'b');
        history.set(30, 'a');
        assert_eq!(history.first_since(|value| *value == 'a'), Some(10));
        assert_eq!(history.first_since(|value| *value != 'a'), Some(20));
        assert_eq!(history.first_since(|value| *value == 'c'), None);
    }
}
