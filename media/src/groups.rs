//! Which thread the legs of a group share, for as long as one of them lives.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

/// Groups without members are forgotten once there are so many.
const FIRST_SWEEP: usize = 256;

/// A leg's membership; the group lives as long as one of these.
#[derive(Clone, Debug)]
pub struct Member(#[allow(dead_code)] Arc<()>);

/// The groups and their threads.
#[derive(Debug)]
pub struct Groups {
    by_name: HashMap<String, (Weak<()>, usize)>,
    sweep_at: usize,
}

impl Groups {
    /// The thread of a group that has a member.
    pub fn thread(&self, name: &str) -> Option<usize> {
        let (members, thread) = self.by_name.get(name)?;
        (members.strong_count() > 0).then_some(*thread)
    }

    /// A new member of a group, which is on `thread` from now on; nothing for the nameless group.
    pub fn join(&mut self, name: &str, thread: usize) -> Option<Member> {
        if name.is_empty() {
            return None;
        }
        if self.by_name.len() >= self.sweep_at {
            self.by_name
                .retain(|_, (members, _)| members.strong_count() > 0);
            self.sweep_at = FIRST_SWEEP.max(2 * self.by_name.len());
        }
        let members = self
            .by_name
            .get(name)
            .and_then(|(members, _)| members.upgrade());
        let member = members.unwrap_or_default();
        let group = (Arc::downgrade(&member), thread);
        self.by_name.insert(name.to_owned(), group);
        Some(Member(member))
    }
}

impl Default for Groups {
    fn default() -> Self {
        Groups {
            by_name: HashMap::new(),
            sweep_at: FIRST_SWEEP,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_keeps_its_thread_until_its_last_member_has_gone() {
        let mut groups = Groups::default();
        assert_eq!(groups.thread("call"), None);
        let first = groups.join("call", 3);
        let second = groups.join("call", 3);
        drop(first);
        assert_eq!(groups.thread("call"), Some(3));
        drop(second);
        assert_eq!(groups.thread("call"), None);
    }

    #[test]
    fn the_nameless_have_no_group() {
        let mut groups = Groups::default();
        assert!(groups.join("", 1).is_none());
        assert_eq!(groups.thread(""), None);
    }

    #[test]
    fn groups_of_the_past_are_forgotten() {
        let mut groups = Groups::default();
        let kept = groups.join("kept", 1);
        for number in 0..10_000 {
            groups.join(&number.to_string(), 0);
        }
        assert!(groups.by_name.len() <= FIRST_SWEEP);
        assert_eq!(groups.thread("kept"), Some(1));
        drop(kept);
    }
}
