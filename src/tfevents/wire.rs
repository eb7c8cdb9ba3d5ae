//! Protocol buffers, read in place: the fields of a message as slices of its bytes.
//!
//! Used by `scalars`, which needs four numbers of an event that may hold a megabyte of image: what is not asked for is
//! passed over by its length. Format: <https://protobuf.dev/programming-guides/encoding>.

/// The bytes are not a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

/// One field's value, by wire type.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Field<'a> {
    /// Wire type 0.
    Varint(u64),
    /// Wire type 1.
    Fixed64([u8; 8]),
    /// Wire type 2: strings, bytes, messages, packed numbers.
    Bytes(&'a [u8]),
    /// Wire type 5.
    Fixed32([u8; 4]),
}

impl<'a> Field<'a> {
    pub(super) fn varint(self) -> Result<u64, Malformed> {
        if let Self::Varint(value) = self { Ok(value) } else { Err(Malformed) }
    }

    pub(super) fn bytes(self) -> Result<&'a [u8], Malformed> {
        if let Self::Bytes(value) = self { Ok(value) } else { Err(Malformed) }
    }

    pub(super) fn string(self) -> Result<&'a str, Malformed> {
        str::from_utf8(self.bytes()?).map_err(|_| Malformed)
    }

    pub(super) fn float(self) -> Result<f32, Malformed> {
        if let Self::Fixed32(value) = self { Ok(f32::from_le_bytes(value)) } else { Err(Malformed) }
    }

    pub(super) fn double(self) -> Result<f64, Malformed> {
        if let Self::Fixed64(value) = self { Ok(f64::from_le_bytes(value)) } else { Err(Malformed) }
    }
}

/// Walks over the fields of a message: `while let Some((number, field)) = fields.next()?`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

impl<'a> Fields<'a> {
    /// Number and value of the next field; `None` at the end of the message.
    pub(super) fn next(&mut self) -> Result<Option<(u64, Field<'a>)>, Malformed> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let key = self.varint()?;
        let field = match key & 7 {
            0 => Field::Varint(self.varint()?),
            1 => Field::Fixed64(self.array()?),
            2 => {
                let length = usize::try_from(self.varint()?).map_err(|_| Malformed)?;
                let (bytes, rest) = self.0.split_at_checked(length).ok_or(Malformed)?;
                self.0 = rest;
                Field::Bytes(bytes)
            }
            5 => Field::Fixed32(self.array()?),
            _ => return Err(Malformed),
        };
        Ok(Some((key >> 3, field)))
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (array, rest) = self.0.split_first_chunk().ok_or(Malformed)?;
        self.0 = rest;
        Ok(*array)
    }

    fn varint(&mut self) -> Result<u64, Malformed> {
        let mut value = 0;
        for (index, byte) in self.0.iter().enumerate().take(10) {
            value |= u64::from(byte & 0x7f) << (7 * index);
            if byte & 0x80 == 0 {
                self.0 = &self.0[index + 1..];
                return Ok(value);
            }
        }
        Err(Malformed)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn fields_of_every_wire_type() {
        let bytes =
            [0x08, 0xac, 0x02, 0x11, 1, 0, 0, 0, 0, 0, 0, 0, 0x1a, 2, b'h', b'i', 0x25, 0, 0, 0x80, 0x3f];
        let mut fields = Fields(&bytes);
        assert_eq!(fields.next(), Ok(Some((1, Field::Varint(300)))));
        assert_eq!(fields.next(), Ok(Some((2, Field::Fixed64([1, 0, 0, 0, 0, 0, 0, 0])))));
        assert_eq!(fields.next().unwrap().unwrap().1.string(), Ok("hi"));
        assert_eq!(fields.next().unwrap().unwrap().1.float(), Ok(1.0));
        assert_eq!(fields.next(), Ok(None));
    }

    #[test]
    fn a_negative_number_takes_ten_bytes() {
        let bytes = [0x10, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1];
        assert_eq!(Fields(&bytes).next(), Ok(Some((2, Field::Varint(u64::MAX)))));
    }

    #[test]
    fn cut_and_foreign_bytes_are_malformed() {
        for bytes in [&[0x08][..], &[0x0a, 5, 1], &[0x0d, 1, 2, 3], &[0x09, 1], &[0x0b], &[0xff; 11]] {
            assert_eq!(Fields(bytes).next(), Err(Malformed), "{bytes:?}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_end(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            let mut fields = Fields(&bytes);
            let mut rest = bytes.len();
            while let Ok(Some(_)) = fields.next() {
                prop_assert!(fields.0.len() < rest);
                rest = fields.0.len();
            }
        }
    }
}
