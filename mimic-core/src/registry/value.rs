//! Values of any type.

use core::any::Any;
use core::fmt;

use crate::Text;
use crate::sync::Arc;

/// A value of any type. What most contexts have is kept in place: an `Arc` costs an allocation and
/// two atomic instructions.
#[derive(Clone)]
pub(crate) enum Value {
    Text(Text),
    Number(u16),
    Other(Arc<dyn Any + Send + Sync>),
}

/// No contents: they may be secrets.
impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Value")
    }
}

impl Value {
    /// Makes a value. Never `None`: callers that need an option have no need of another.
    pub(crate) fn new<T: Send + Sync + 'static>(value: T) -> Option<Self> {
        let mut value = Some(value);
        let any: &mut dyn Any = &mut value;
        let text = any.downcast_mut().and_then(Option::take).map(Self::Text);
        let kept = text.or_else(|| any.downcast_mut().and_then(Option::take).map(Self::Number));
        kept.or_else(|| value.map(|value| Self::Other(Arc::new(value))))
    }

    pub(crate) fn downcast_ref<T: 'static>(&self) -> Option<&T> {
        self.any().downcast_ref()
    }

    /// Returns the value as `Any`. Not generic, so that it is there once and not for every type.
    fn any(&self) -> &dyn Any {
        match self {
            Self::Text(text) => text,
            Self::Number(number) => number,
            Self::Other(value) => &**value,
        }
    }
}
