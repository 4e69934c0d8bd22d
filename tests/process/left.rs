//! What is left after flows over children: no process, no zombie, no descriptor, no thread.
//!
//! A binary with one test, which nothing disturbs, counts these of the whole process.

use super::*;

/// Children, open descriptors, and threads that belong to children.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Counts {
    children: usize,
    descriptors: usize,
    threads: usize,
}

impl Counts {
    pub(crate) fn now() -> Self {
        let me = std::process::id().to_string();
        // The second field after the name, which is in parentheses, is the parent.
        let is_child = |stat: &String| {
            stat.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().nth(1)) == Some(me.as_str())
        };
        let entries = |dir| fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
        let stats = entries("/proc").filter_map(|path| fs::read_to_string(path.join("stat")).ok());
        let names = entries("/proc/self/task").filter_map(|path| fs::read_to_string(path.join("comm")).ok());
        Self {
            children: stats.filter(is_child).count(),
            descriptors: entries("/proc/self/fd").count(),
            threads: names.filter(|name| name.starts_with("mimic-")).count(),
        }
    }

    /// Waits until the counts are these again.
    pub(crate) fn wait(&self) {
        let start = Instant::now();
        while Self::now() != *self {
            assert!(start.elapsed() < GRACE + SLACK, "{:?} before, {:?} after", self, Self::now());
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

/// Every end that a flow may have, twenty times.
pub(crate) async fn every_end() {
    for _ in 0..20 {
        start(Command::new("cat")).await.close().await.unwrap();
        drop(start(Command::new("cat")).await);
        drop(start(Command::new("true")).await);
        start(Command::new("false")).await.close().await.unwrap_err();
        adapter::context().resolve(Process, Command::new("/nonexistent")).await.unwrap_err();
        let mut aborted = start(Command::new("sleep").arg("1000")).await;
        aborted.abort();
        drop(aborted);
    }
    // Those that must be killed, all in the same second.
    let commands = ["exec sleep 1000", "exec yes >&2", "exec yes", "trap '' PIPE TERM; exec sleep 1000"];
    let mut flows = Vec::new();
    for command in commands {
        flows.push(start(sh(command)).await);
    }
    // The thread of the error output does not stay for a grandchild.
    let mut flow = start(sh("sleep 1 >/dev/null & exit 1")).await;
    flow.read(&mut [0; 8]).await.unwrap_err();
}

/// Returns flows whose children run on. To be dropped when the runtime is gone.
pub(crate) async fn survivors() -> Vec<BoxedFlow> {
    vec![start(Command::new("cat")).await, start(sh("exec sleep 1000")).await, start(sh("exec yes >&2")).await]
}
