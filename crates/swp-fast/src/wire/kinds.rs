//! Macros that derive enums, encoding and decoding from one list. The list of frame kinds stands in
//! `control.rs`, the list of reset codes in `reset.rs`.

/// Declares an enum whose variants each have a code of one byte on the wire.
///
/// The enum, its constant `ALL` and its function `from_code` follow from the same list of variants.
macro_rules! coded_enum {
    (
        $(#[$attr:meta])*
        pub enum $name:ident {
            $($(#[$doc:meta])* $variant:ident = $code:literal,)+
        }
    ) => {
        $(#[$attr])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[repr(u8)]
        pub enum $name {
            $($(#[$doc])* $variant = $code,)+
        }

        impl $name {
            /// Every variant, in the order of the list.
            pub const ALL: &[$name] = &[$($name::$variant,)+];

            /// Returns the variant whose code is `code`, or `None` if there is none.
            pub(super) fn from_code(code: u8) -> Option<$name> {
                match code {
                    $($code => Some($name::$variant),)+
                    _ => None,
                }
            }
        }
    };
}

/// Declares the enums `Kind` and `Control` from one list of frame kinds.
///
/// Kinds under `data` carry messages. Each kind under `control` names the type of its body. The
/// type has the methods `encode(&self) -> Vec<u8>` and `decode(&[u8]) -> Result<Self, WireError>`.
macro_rules! frame_kinds {
    (
        data { $($(#[$data_doc:meta])* $data:ident = $data_code:literal,)+ }
        control { $($(#[$doc:meta])* $control:ident($body:ident) = $code:literal,)+ }
    ) => {
        $crate::wire::kinds::coded_enum! {
            /// The kind of a frame. Data frames carry messages, control frames carry a [`Control`].
            pub enum Kind {
                $($(#[$data_doc])* $data = $data_code,)+
                $($(#[$doc])* $control = $code,)+
            }
        }

        impl Kind {
            /// Returns true if frames of this kind carry messages. Such frames have consecutive
            /// sequence numbers and are retransmitted.
            pub fn is_data(self) -> bool {
                matches!(self, $(Kind::$data)|+)
            }
        }

        /// The content of a control frame.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum Control {
            $($(#[$doc])* $control($body),)+
        }

        impl Control {
            /// Returns the kind of the frame that carries this content.
            pub fn kind(&self) -> Kind {
                match self {
                    $(Control::$control(_) => Kind::$control,)+
                }
            }

            /// Returns the body of the frame.
            pub(super) fn encode(&self) -> Vec<u8> {
                match self {
                    $(Control::$control(content) => content.encode(),)+
                }
            }

            /// Decodes the body of a frame of this kind. Returns `None` for data frames.
            pub(super) fn decode(kind: Kind, body: &[u8]) -> Option<Result<Control, WireError>> {
                match kind {
                    $(Kind::$data)|+ => None,
                    $(Kind::$control => Some($body::decode(body).map(Control::$control)),)+
                }
            }
        }
    };
}

pub(in crate::wire) use {coded_enum, frame_kinds};
