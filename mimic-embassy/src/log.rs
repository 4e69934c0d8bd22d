//! Logs by defmt, with the feature of that name.

/// `log!(debug, "…", …)`; nothing without the feature.
macro_rules! log {
    ($level:ident, $($text:tt)*) => {{
        #[cfg(feature = "defmt")]
        ::defmt::$level!($($text)*);
    }};
}
