//! Rows of SSH, against OpenSSH.

use std::fs;
use std::sync::Arc;

use http_body_util::BodyExt;
use mimic_core::Context;
use mimic_example_clients::{Runtime, http};
use mimic_tokio::{FromTokio, ToTokio};
use russh::client::{self, Handle, Handler};
use russh::keys::PublicKeyOrCertificate;
use russh::keys::{PrivateKeyWithHashAlg, PublicKey, load_secret_key};
use russh::{ChannelMsg, Disconnect};

use crate::rows::Talked;
use crate::servers::{FILE, NGINX, Server};

/// Knows the server by its key.
struct Known(PublicKey);

impl Handler for Known {
    type Error = russh::Error;

    async fn check_server_key(&mut self, key: &PublicKeyOrCertificate) -> Result<bool, russh::Error> {
        Ok(matches!(key, PublicKeyOrCertificate::PublicKey { key, .. } if key.key_data() == self.0.key_data()))
    }
}

async fn log_in(ctx: Context, server: &Server) -> Result<Handle<Known>, Box<dyn std::error::Error>> {
    let known = PublicKey::from_openssh(&fs::read_to_string(server.dir.join("host.pub"))?)?;
    let stream = ToTokio::new(ctx.connect().await?);
    let mut session = client::connect_stream(Arc::default(), stream, Known(known)).await?;
    let key = PrivateKeyWithHashAlg::new(Arc::new(load_secret_key(server.dir.join("client"), None)?), None);
    let user = String::from_utf8(std::process::Command::new("id").arg("-un").output()?.stdout)?;
    assert!(session.authenticate_publickey(user.trim(), key).await?.success());
    Ok(session)
}

pub(crate) async fn exec(ctx: Context, server: &Server) -> Talked {
    let session = log_in(ctx, server).await?;
    let mut channel = session.channel_open_session().await?;
    channel.exec(true, "seq 100000; exit 3").await?;
    let (mut output, mut status) = (Vec::new(), None);
    while let Some(message) = channel.wait().await {
        match message {
            ChannelMsg::Data { data } => output.extend_from_slice(&data),
            ChannelMsg::ExitStatus { exit_status } => status = Some(exit_status),
            _ => {}
        }
    }
    assert_eq!((output.len(), status), (588_895, Some(3)));
    Ok(session.disconnect(Disconnect::ByApplication, "", "").await?)
}

/// The channel is a flow in its turn: HTTP over it, to a server that sshd connects to.
pub(crate) async fn direct_tcpip(ctx: Context, runtime: Runtime, server: &Server) -> Talked {
    let nginx = NGINX.as_ref().ok_or("nginx is not installed")?;
    let session = log_in(ctx, server).await?;
    let port = nginx.address.port().into();
    let channel = session.channel_open_direct_tcpip("127.0.0.1", port, "127.0.0.1", 0).await?;
    let flow = FromTokio::from(channel.into_stream());
    let response = http::get_over(flow, runtime, &"http://localhost/file".parse()?, false).await?;
    let body = response.into_body().collect().await?.to_bytes();
    assert!(body == *FILE, "{} bytes came", body.len());
    Ok(session.disconnect(Disconnect::ByApplication, "", "").await?)
}
