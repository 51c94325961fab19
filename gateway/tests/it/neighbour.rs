//! A service behind the gateway that notes what it is asked and answers what the test wants.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
};

use bytes::{BufMut, Bytes, BytesMut};
use futures_util::{Stream, StreamExt, stream};
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, MethodDescriptor};
use serde_json::Value;
use tonic::{Status, body::Body};

/// What reached the service.
#[derive(Clone, Debug)]
pub struct Call {
    /// The method's name.
    pub method: String,
    pub headers: HeaderMap,
    /// The request as proto3 JSON, without what is zero or absent.
    pub message: Value,
}

/// What the service does.
#[derive(Clone)]
pub enum Reply {
    /// Answers these messages, then ends well or badly.
    Messages(Vec<Value>, Option<Status>),
    /// Answers these messages and stays.
    Open(Vec<Value>),
    /// Answers these messages, and is lost.
    Lost(Vec<Value>),
    /// Answers one message with this metadata.
    With(&'static str, &'static str, Value),
    /// Answers these bytes as a message.
    Raw(&'static [u8]),
    /// Refuses.
    Refusal(Status),
    /// Hangs.
    Never,
    /// Panics in the caller's own task, as a bug of ours would.
    Panic,
}

impl From<Value> for Reply {
    fn from(message: Value) -> Self {
        Self::Messages(vec![message], None)
    }
}

impl From<Status> for Reply {
    fn from(status: Status) -> Self {
        Self::Refusal(status)
    }
}

/// The service: all services at once.
#[derive(Clone)]
pub struct Neighbour {
    pub calls: Arc<Mutex<Vec<Call>>>,
    pool: DescriptorPool,
    reply: Arc<dyn Fn(&Call) -> Reply + Send + Sync>,
}

impl Neighbour {
    pub fn new(descriptors: &[u8], reply: impl Fn(&Call) -> Reply + Send + Sync + 'static) -> Self {
        let pool = DescriptorPool::decode(descriptors).unwrap();
        Self { calls: Arc::default(), pool, reply: Arc::new(reply) }
    }

    pub async fn serve(self, request: Request<Body>) -> Result<Response<Body>, Infallible> {
        let (head, body) = request.into_parts();
        let method = self.method(head.uri.path());
        let framed = body.collect().await.unwrap().to_bytes();
        let message = DynamicMessage::decode(method.input(), &framed[5..]).unwrap();
        let options = prost_reflect::SerializeOptions::new().use_proto_field_name(true);
        let message =
            message.serialize_with_options(serde_json::value::Serializer, &options).unwrap();
        let call = Call { method: method.name().to_owned(), headers: head.headers, message };

        let reply = (self.reply)(&call);
        self.calls.lock().unwrap().push(call);
        Ok(answer(&method, reply).await)
    }

    fn method(&self, path: &str) -> MethodDescriptor {
        let full_name = path.trim_start_matches('/').replace('/', ".");
        let all = self.pool.services().flat_map(|service| service.methods().collect::<Vec<_>>());
        all.into_iter().find(|method| method.full_name() == full_name).unwrap()
    }
}

async fn answer(method: &MethodDescriptor, reply: Reply) -> Response<Body> {
    let end = |end| stream::iter([trailers(end)]);
    let mut response = match reply {
        Reply::Messages(messages, last) => body(frames(method, messages).chain(end(last))),
        Reply::Open(messages) => body(frames(method, messages).chain(stream::pending())),
        Reply::Lost(messages) => {
            let frames = frames(method, messages).map(Ok);
            let lost = stream::iter([Err(Status::unavailable("lost"))]);
            Response::new(Body::new(StreamBody::new(frames.chain(lost))))
        }
        Reply::Raw(message) => body(stream::iter([Frame::data(framed(message))]).chain(end(None))),
        Reply::With(name, value, message) => {
            let mut response = body(frames(method, vec![message]).chain(end(None)));
            response.headers_mut().insert(name, HeaderValue::from_static(value));
            response
        }
        Reply::Refusal(status) => status.into_http(),
        Reply::Never => std::future::pending().await,
        Reply::Panic => panic!("as the test wants it"),
    };
    let content_type = HeaderValue::from_static("application/grpc");
    response.headers_mut().insert("content-type", content_type);
    response
}

fn body(frames: impl Stream<Item = Frame<Bytes>> + Send + 'static) -> Response<Body> {
    Response::new(Body::new(StreamBody::new(frames.map(Ok::<_, Infallible>))))
}

fn frames(
    method: &MethodDescriptor,
    messages: Vec<Value>,
) -> impl Stream<Item = Frame<Bytes>> + Send + use<> {
    let answer = method.output();
    stream::iter(messages).map(move |message| {
        let message = DynamicMessage::deserialize(answer.clone(), message).unwrap();
        Frame::data(framed(&message.encode_to_vec()))
    })
}

/// A message after its flag and its length.
pub fn framed(message: &[u8]) -> Bytes {
    let mut framed = BytesMut::new();
    framed.put_u8(0);
    framed.put_u32(u32::try_from(message.len()).unwrap());
    framed.extend_from_slice(message);
    framed.freeze()
}

fn trailers(end: Option<Status>) -> Frame<Bytes> {
    let mut trailers = HeaderMap::new();
    end.unwrap_or_else(|| Status::ok("")).add_header(&mut trailers).unwrap();
    Frame::trailers(trailers)
}
