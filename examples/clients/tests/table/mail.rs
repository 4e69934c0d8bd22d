//! Rows of mail: IMAP and SMTP, in clear text and with STARTTLS.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::LazyLock;

use async_imap::Client;
use async_smtp::{Envelope, SendableEmail, SmtpClient, SmtpTransport};
use futures_util::TryStreamExt;
use mimic_core::{Context, Flow};
use mimic_tokio::ToTokio;
use tokio::io::BufReader;

use crate::columns::{LOCALHOST, trusting};
use crate::rows::Talked;
use crate::servers::{Server, new_dir, start, tool};

pub(crate) static IMAP: LazyLock<Option<Server>> = LazyLock::new(|| server("imap"));
pub(crate) static SMTP: LazyLock<Option<Server>> = LazyLock::new(|| server("smtp"));

fn server(protocol: &str) -> Option<Server> {
    let python = tool("python3")?;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/table/mail.py");
    Some(start(new_dir(), |port, dir| {
        fs::write(dir.join("cert"), &LOCALHOST.0).unwrap();
        fs::write(dir.join("key"), &LOCALHOST.1).unwrap();
        let mut command = Command::new(&python);
        command.arg(&script).args([protocol, &port.to_string()]).args([dir.join("cert"), dir.join("key")]);
        command
    }))
}

pub(crate) async fn imap(ctx: Context) -> Talked {
    let mut client = Client::new(ToTokio::new(ctx.connect().await?));
    client.read_response().await?.ok_or("no greeting")?;
    read_mail(client).await
}

pub(crate) async fn imap_starttls(ctx: Context) -> Talked {
    let mut client = Client::new(ToTokio::new(ctx.connect().await?));
    client.read_response().await?.ok_or("no greeting")?;
    client.run_command_and_check_ok("STARTTLS", None).await?;
    let flow = client.into_inner().into_inner();
    let tls = mimic_rustls::connect(flow, trusting(), Vec::new(), "localhost").await?;
    read_mail(Client::new(ToTokio::new(tls))).await
}

async fn read_mail<F: Flow + Send + 'static>(client: Client<ToTokio<F>>) -> Talked {
    let mut session = client.login("user", "secret").await.map_err(|(error, _)| error)?;
    assert_eq!(session.select("INBOX").await?.exists, 1);
    let messages: Vec<_> = session.fetch("1", "RFC822").await?.try_collect().await?;
    assert_eq!(messages.iter().map(|message| message.body().unwrap().len()).collect::<Vec<_>>(), [300_018]);
    Ok(session.logout().await?)
}

pub(crate) async fn smtp(ctx: Context) -> Talked {
    let stream = BufReader::new(ToTokio::new(ctx.connect().await?));
    send_mail(SmtpTransport::new(SmtpClient::new(), stream).await?, "210000 bytes").await
}

pub(crate) async fn smtp_starttls(ctx: Context) -> Talked {
    let stream = BufReader::new(ToTokio::new(ctx.connect().await?));
    let stream = SmtpTransport::new(SmtpClient::new(), stream).await?.starttls().await?;
    // Plaintext that follows the answer would be an injection.
    assert!(stream.buffer().is_empty());
    let tls = mimic_rustls::connect(stream.into_inner().into_inner(), trusting(), Vec::new(), "localhost").await?;
    let client = SmtpClient::new().without_greeting();
    let transport = SmtpTransport::new(client, BufReader::new(ToTokio::new(tls))).await?;
    send_mail(transport, "210000 bytes in TLS").await
}

async fn send_mail<F: Flow>(mut transport: SmtpTransport<BufReader<ToTokio<F>>>, answer: &str) -> Talked {
    let envelope = Envelope::new(Some("a@localhost".parse()?), vec!["b@localhost".parse()?])?;
    let response =
        transport.send(SendableEmail::new(envelope, "any number of line.\r\n".repeat(10_000).trim_end())).await?;
    assert_eq!(response.first_line(), Some(answer));
    Ok(transport.quit().await?)
}
