//! Whom a leg hears through links, as those know who order them: so that a link too many is refused at once.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::lane::Lane;
use super::link::Link;
use super::mouth::Mouth;

/// Legs that one leg may hear through links. It bounds the work of all: no leg adds more voices than these at a beat.
pub const LINK_LIMIT: usize = 16;

/// Why no link was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

/// The links of one leg that hears; `Who` is another leg's name among all.
#[derive(Debug)]
pub struct Hearing<Who> {
    links: Mutex<Vec<(Who, Weak<Lane>)>>,
}

impl<Who: PartialEq> Hearing<Who> {
    /// Opens a link to another leg, or lets the one that stands relay keys or not. Its ends are for the two legs.
    pub fn open(&self, who: Who, relays_keys: bool) -> Result<Option<(Mouth, Link)>, Full> {
        let mut links = self.links.lock().unwrap_or_else(PoisonError::into_inner);
        links.retain(|(_, lane)| standing(lane).is_some());
        let same = links.iter().find(|(heard, _)| *heard == who);
        if let Some(lane) = same.and_then(|(_, lane)| standing(lane)) {
            lane.relay_keys(relays_keys);
            return Ok(None);
        }
        if links.len() >= LINK_LIMIT {
            return Err(Full);
        }
        let lane = Arc::new(Lane::new());
        lane.relay_keys(relays_keys);
        links.push((who, Arc::downgrade(&lane)));
        Ok(Some(Link::pair(&lane)))
    }

    /// Ends the link to another leg, if there is one; both ends see that at their next beat.
    pub fn close(&self, who: &Who) {
        let mut links = self.links.lock().unwrap_or_else(PoisonError::into_inner);
        links.retain(|(heard, lane)| {
            let is_it = heard == who;
            if let (true, Some(lane)) = (is_it, lane.upgrade()) {
                lane.cut();
            }
            !is_it
        });
    }
}

impl<Who> Default for Hearing<Who> {
    fn default() -> Self {
        Hearing {
            links: Mutex::default(),
        }
    }
}

/// A lane with both its ends.
fn standing(lane: &Weak<Lane>) -> Option<Arc<Lane>> {
    lane.upgrade().filter(|lane| !lane.is_cut())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(hearing: &Hearing<usize>, who: usize) -> (Mouth, Link) {
        hearing.open(who, false).unwrap().unwrap()
    }

    #[test]
    fn sixteen_may_be_heard_and_each_that_goes_makes_room() {
        let hearing = Hearing::default();
        let mut ends: Vec<_> = (0..LINK_LIMIT).map(|who| open(&hearing, who)).collect();
        assert_eq!(hearing.open(16, false).err(), Some(Full));
        hearing.close(&3);
        ends.push(open(&hearing, 16));
        assert_eq!(hearing.open(17, false).err(), Some(Full));
        let (mouth, _link) = ends.swap_remove(0);
        drop(mouth);
        open(&hearing, 17);
    }

    #[test]
    fn a_second_link_to_the_same_leg_is_the_first() {
        let hearing = Hearing::default();
        let (mouth, link) = open(&hearing, 1);
        assert!(hearing.open(1, true).unwrap().is_none());
        assert!(mouth.lane.relays_keys() && !link.is_over());
        assert!(hearing.open(1, false).unwrap().is_none());
        assert!(!mouth.lane.relays_keys());
    }

    #[test]
    fn a_link_that_was_ended_is_over_at_both_ends_and_another_may_begin() {
        let hearing = Hearing::default();
        let (mouth, link) = open(&hearing, 1);
        hearing.close(&2);
        assert!(!mouth.is_over());
        hearing.close(&1);
        assert!(mouth.is_over() && link.is_over());
        let (again, _link) = open(&hearing, 1);
        assert!(!again.is_over());
    }
}
