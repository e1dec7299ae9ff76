//! Background tasks that end with the cloud.

use std::future::Future;
use std::sync::{Arc, Mutex};

use tokio::task::JoinSet;

/// A set of tasks; stopping it, or dropping the last handle, ends all of them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tasks {
    set: Arc<Mutex<JoinSet<()>>>,
}

impl Tasks {
    /// Starts a task. Must be called inside a runtime.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut set = self.set.lock().expect("tasks lock");
        while set.try_join_next().is_some() {}
        set.spawn(task);
    }

    /// Ends all tasks and waits until they are gone.
    pub(crate) async fn stop(&self) {
        let mut set = std::mem::take(&mut *self.set.lock().expect("tasks lock"));
        set.shutdown().await;
    }
}
