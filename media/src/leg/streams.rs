//! The leg's streams: asked for, connected elsewhere, found by their ids.

use std::sync::atomic::AtomicBool;
use std::sync::Arc;

use mio::Token;

use super::{Leg, Stream};
use crate::command::Command;
use crate::desk::Desk;
use crate::plan::StreamPlan;
use crate::stream::connector::{Connect, Failure, Outcome};
use crate::stream::link::{Here, Link};
use crate::worker::Order;

/// Streams of one leg at a time (ST-46 allows four; a few may still be closing).
const STREAM_LIMIT: usize = 8;

impl Leg {
    pub(super) fn open_stream(&mut self, plan: StreamPlan, desk: &Desk) {
        let number = self.number();
        let plan = Arc::new(plan);
        let cancelled = Arc::new(AtomicBool::new(false));
        let (orders, leg) = (Arc::clone(&desk.orders), self.id);
        let reply = move |outcome| {
            orders.post_always(Order::Leg(leg, Command::StreamOutcome { number, outcome }));
        };
        self.streams.push(Stream {
            number,
            link: Link::new(Arc::clone(&plan), Arc::clone(&cancelled)),
        });
        if self.streams.len() > STREAM_LIMIT {
            let failure = Failure {
                phase: "tcp",
                http_status: 0,
                detail: format!("the leg has {STREAM_LIMIT} streams already"),
            };
            return reply(Err(failure));
        }
        desk.connector.connect(Connect {
            plan,
            cancelled,
            reply: Box::new(reply),
        });
    }

    pub(super) fn stream_outcome(
        &mut self,
        number: u64,
        outcome: Outcome,
        desk: &Desk,
        token: impl Fn(u64) -> Token,
        here: Here<'_>,
    ) {
        let Some(stream) = self
            .streams
            .iter_mut()
            .find(|stream| stream.number == number)
        else {
            return;
        };
        match outcome {
            Ok(connected) => {
                if stream
                    .link
                    .connected(connected, &desk.registry, token(number), here)
                {
                    // The first messages may have come together with the upgrade's answer.
                    self.unread |= stream.link.read(here);
                }
            }
            Err(failure) => stream.link.failed(&failure, here),
        }
    }

    pub(super) fn link(&mut self, stream_sid: &str) -> Option<&mut Link> {
        let stream = self
            .streams
            .iter_mut()
            .find(|stream| stream.link.sid() == stream_sid);
        stream.map(|stream| &mut stream.link)
    }
}
