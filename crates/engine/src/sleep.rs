//! Waiting for a time.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use crate::clock::Tick;
use crate::core::Core;
use crate::slab::Key;

/// Completes at its tick or up to 64 ms after (up to a second in the blocking model).
pub struct Sleep {
    core: Rc<Core>,
    until: Tick,
    key: Option<Key>,
}

impl Sleep {
    pub(crate) fn new(core: Rc<Core>, until: Tick) -> Sleep {
        Sleep { core, until, key: None }
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.core.clock.now() >= self.until {
            return Poll::Ready(());
        }
        let (until, key) = (self.until, self.key);
        let key = self.core.io.borrow_mut().sleep(key, until, cx.waker());
        self.key = Some(key);
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            self.core.io.borrow_mut().end_sleep(key);
        }
    }
}
