//! Tests of pickles: what is read, what is refused, and that no bytes end the process.

use proptest::prelude::*;

use super::*;

fn whole(bytes: &[u8]) -> Result<Value, PickleError> {
    read(&mut &*bytes)
}

#[test]
fn nothing_is_called_that_a_state_dict_does_not_need() {
    // What `pickle.dumps` makes of an object whose `__reduce__` is `os.system("true")`.
    let error = whole(b"\x80\x02cposix\nsystem\nX\x04\x00\x00\x00true\x85R.").unwrap_err();
    assert_eq!(
        error.to_string(),
        "the pickle asks for `posix.system`, which no state_dict needs; save `model.state_dict()`, not the model"
    );
    // INST and OBJ call too.
    assert_eq!(whole(b"(S'true'\nios\nsystem\n.").unwrap_err(), PickleError::Opcode(b'S'));
    assert_eq!(whole(b"(ios\nsystem\n.").unwrap_err(), PickleError::Opcode(b'i'));
}

#[test]
fn plain_values_are_read() {
    let value = whole(b"\x80\x02}q\x00(X\x01\x00\x00\x00aq\x01K\x05h\x01J\xff\xff\xff\xffu.").unwrap();
    let Value::Dict(dict) = value else { panic!("{value:?}") };
    assert!(matches!(dict.borrow().as_slice(), [(_, Value::Int(5)), (_, Value::Int(-1))]));
    assert!(matches!(whole(b"\x8a\x02\xff\x7f."), Ok(Value::Int(32_767))));
    assert!(matches!(whole(b"\x8a\x00."), Ok(Value::Int(0))));
    assert!(matches!(whole(b"\x8a\x09aaaaaaaaa."), Err(PickleError::Damaged(_))));
}

/// Dropped in the test's thread, whose stack holds some ten thousand frames.
#[test]
fn values_in_one_another_are_refused_and_let_go_without_a_stack() {
    let too_many = PickleError::Damaged("it has too many values");
    let nested = |n: usize| [b")".to_vec(), vec![0x85; n], b".".to_vec()].concat();
    assert_eq!(whole(&nested(5_000_000)).unwrap_err(), too_many);
    assert!(whole(&nested(1_000_000)).is_ok());
    // Lists, from the outside (each is remembered, recalled and given the next one) and from the inside.
    let outside: Vec<u8> = (0..200_000_u32)
        .flat_map(|place| {
            let next = (place + 1).to_le_bytes();
            [&b"]r"[..], &next, b"a", b"j", &next].concat()
        })
        .collect();
    assert!(whole(&[b"]".to_vec(), outside, b".".to_vec()].concat()).is_ok());
    let inside = [b"]".repeat(300_000), b"a".repeat(299_999), b".".to_vec()].concat();
    assert!(whole(&inside).is_ok());
}

proptest! {
    #[test]
    fn any_bytes_end_in_a_value_or_an_error(
        bytes in prop::collection::vec(prop_oneof![
            any::<u8>(),
            prop::sample::select(b"\x80\x8a\x85\x86\x87\x93\x94\x8cKMJXGcqrhjQRbtuesa()]}N.".to_vec()),
        ], 0..64)
    ) {
        let _ = whole(&bytes);
    }
}
