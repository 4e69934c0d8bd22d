//! What the role `Process` must do on Windows, where commands are those of `cmd`. The rest is the
//! same code as elsewhere.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::time::{Duration, Instant};

use mimic_core::embedded_io_async::{Read, Write};
use mimic_core::roles::Sleep;
use mimic_core::{ErrorKind, Flow, FlowExt, Phase, sleep};

use crate::adapter;
use crate::adapter::process::{Command, Exit, Process};

async fn cmd(script: &str) -> Box<dyn Flow + Send> {
    adapter::context().resolve(Process, Command::new("cmd").args(["/Q", "/C", script])).await.unwrap()
}

async fn read_all(flow: &mut Box<dyn Flow + Send>) -> Result<String, mimic_core::Error> {
    let (mut all, mut buf) = (Vec::new(), [0; 256]);
    loop {
        match flow.read(&mut buf).await? {
            0 => return Ok(String::from_utf8_lossy(&all).trim().into()),
            n => all.extend(&buf[..n]),
        }
    }
}

pub(crate) async fn every_end() {
    // Output, input, and the exit.
    let mut flow = cmd("echo hello").await;
    assert_eq!(read_all(&mut flow).await.unwrap(), "hello");
    assert!(flow.attribute(Exit).unwrap().success());
    let mut flow = cmd("set /P line= & call echo [%^line%]").await;
    flow.write_all(b"ping\r\n").await.unwrap();
    flow.shutdown().await.unwrap();
    assert!(read_all(&mut flow).await.unwrap().contains("[ping"));

    // Failures.
    let error = read_all(&mut cmd("echo refused 1>&2& exit 3").await).await.unwrap_err();
    assert_eq!((error.kind(), error.phase()), (ErrorKind::Other, Some(Phase::Read)));
    assert!(error.to_string().contains("exit code: 3: refused"), "{error}");
    let missing = adapter::context().resolve(Process, Command::new("mimic-no-such-program")).await.unwrap_err();
    assert_eq!((missing.kind(), missing.phase()), (ErrorKind::NotFound, Some(Phase::Connect)));

    // A drop returns at once. The child would go on for minutes.
    let flow = cmd("ping -n 1000 127.0.0.1 >NUL").await;
    let since = Instant::now();
    drop(flow);
    assert!(since.elapsed() < Duration::from_millis(500));
    let mut timer = adapter::context().resolve(Sleep, ()).await.unwrap();
    sleep(&mut timer, Duration::from_millis(1500)).await;
}
