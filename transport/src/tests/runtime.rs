//! The runtimes that tests run on.

use std::time::Duration;

/// How long a test may take, and how much of a fake clock's time.
const PATIENCE: Duration = Duration::from_secs(30);
const FAKE_PATIENCE: Duration = Duration::from_secs(24 * 3_600);

/// Runs a test on a runtime like that of a process.
pub(crate) fn run(test: impl Future<Output = ()>) {
    run_for(false, PATIENCE, test);
}

/// The same by a fake clock, which goes on when everything waits for it.
pub(crate) fn run_paused(test: impl Future<Output = ()>) {
    run_for(true, FAKE_PATIENCE, test);
}

fn run_for(paused: bool, patience: Duration, test: impl Future<Output = ()>) {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().start_paused(paused).build_local(Default::default()).unwrap();
    runtime.block_on(async { tokio::time::timeout(patience, test).await.unwrap() });
}
