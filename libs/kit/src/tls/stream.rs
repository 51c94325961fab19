use std::{
    io::{self, IoSlice},
    net::IpAddr,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};
use tokio_rustls::server::TlsStream;
use tonic::transport::server::Connected;

use super::port::origin;

/// A client's connection.
pub enum Stream {
    /// Without TLS.
    Plain(TcpStream),
    /// In TLS.
    Tls {
        /// The connection.
        stream: Box<TlsStream<TcpStream>>,
        /// Those of the names that were asked for which the client's certificate bears, if it was asked for one.
        names: Option<Arc<[String]>>,
    },
}

/// Where a call comes from.
#[derive(Clone, Debug)]
pub struct Origin {
    /// The other end's address.
    pub address: Option<IpAddr>,
    /// The names by which the other end proved itself, if it was asked.
    pub names: Option<Arc<[String]>>,
}

impl Connected for Stream {
    type ConnectInfo = Origin;

    fn connect_info(&self) -> Origin {
        match self {
            Self::Plain(stream) => origin(stream, None),
            Self::Tls { stream, names } => origin(stream.get_ref().0, names.as_ref()),
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Plain(stream) => pin!(stream).poll_read(context, buffer),
            Self::Tls { stream, .. } => pin!(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut *self {
            Self::Plain(stream) => pin!(stream).poll_write(context, bytes),
            Self::Tls { stream, .. } => pin!(stream).poll_write(context, bytes),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut *self {
            Self::Plain(stream) => pin!(stream).poll_write_vectored(context, slices),
            Self::Tls { stream, .. } => pin!(stream).poll_write_vectored(context, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(stream) => stream.is_write_vectored(),
            Self::Tls { stream, .. } => stream.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Plain(stream) => pin!(stream).poll_flush(context),
            Self::Tls { stream, .. } => pin!(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Plain(stream) => pin!(stream).poll_shutdown(context),
            Self::Tls { stream, .. } => pin!(stream).poll_shutdown(context),
        }
    }
}
