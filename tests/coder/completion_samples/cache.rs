//! A cache that forgets what was not used for longest.

use std::collections::hash_map::{Entry, HashMap};
use std::fmt::{self, Display};
use std::hash::Hash;

/// How often something was found, and how often not.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
pub struct Counts {
    pub hits: u64,
    pub misses: u64,
}

impl Counts {
    pub fn share(&self) -> f64 {
        let all = self.hits + self.misses;
        if all == 0 {
            return 0.0;
        }
        self.hits as f64 / all as f64
    }
}

impl Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} hits, {} misses ({:.1} %)", self.hits, self.misses, 100.0 * self.share())
    }
}

struct Slot<V> {
    value: V,
    used: u64,
}

pub struct Cache<K, V> {
    slots: HashMap<K, Slot<V>>,
    room: usize,
    clock: u64,
    counts: Counts,
}

impl<K: Eq + Hash + Clone, V> Cache<K, V> {
    /// # Panics
    /// Without room for anything.
    pub fn new(room: usize) -> Self {
        assert!(room > 0, "a cache needs room");
        Cache {
            slots: HashMap::with_capacity(room),
            room,
            clock: 0,
            counts: Counts::default(),
        }
    }

    fn tick(&mut self) -> u64 {
        self.clock += 1;
        self.clock
    }

    pub fn get(&mut self, key: &K) -> Option<&V> {
        let now = self.tick();
        match self.slots.get_mut(key) {
            Some(slot) => {
                slot.used = now;
                self.counts.hits += 1;
                Some(&slot.value)
            }
            None => {
                self.counts.misses += 1;
                None
            }
        }
    }

    pub fn put(&mut self, key: K, value: V) -> Option<V> {
        let used = self.tick();
        if self.slots.len() >= self.room && !self.slots.contains_key(&key) {
            self.forget_oldest();
        }
        match self.slots.entry(key) {
            Entry::Occupied(mut entry) => {
                let old = entry.insert(Slot { value, used });
                Some(old.value)
            }
            Entry::Vacant(entry) => {
                entry.insert(Slot { value, used });
                None
            }
        }
    }

    fn forget_oldest(&mut self) {
        let oldest = self
            .slots
            .iter()
            .min_by_key(|(_, slot)| slot.used)
            .map(|(key, _)| key.clone());
        if let Some(key) = oldest {
            self.slots.remove(&key);
        }
    }

    pub fn counts(&self) -> Counts {
        self.counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_goes() {
        let mut cache = Cache::new(2);
        cache.put("a", 1);
        cache.put("b", 2);
        assert_eq!(cache.get(&"a"), Some(&1));
        cache.put("c", 3);
        assert_eq!(cache.get(&"b"), None);
    }
}
