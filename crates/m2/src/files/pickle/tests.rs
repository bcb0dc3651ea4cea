//! Programs that build plain data, and programs that try more.

use super::*;

fn read(bytes: &[u8]) -> Result<Pickle, FileError> {
    Pickle::read("x.pt", bytes)
}

#[test]
fn plain_data_of_all_protocols_is_read() {
    // {'a': [1, -2, 300, 2.5, None, True, (1,)], 'b': 2**40}, protocols 0, 2 and 4.
    let p0: &[u8] = b"(dp0\nVa\np1\n(lp2\nI1\naI-2\naI300\naF2.5\naNaI01\na(I1\ntp3\nasVb\np4\nL1099511627776L\ns.";
    let p2: &[u8] = b"\x80\x02}q\x00(X\x01\x00\x00\x00aq\x01]q\x02(K\x01J\xfe\xff\xff\xffM,\x01G@\x04\x00\x00\x00\x00\x00\x00N\x88K\x01\x85q\x03eX\x01\x00\x00\x00bq\x04\x8a\x06\x00\x00\x00\x00\x00\x01u.";
    let p4: &[u8] = b"\x80\x04\x958\x00\x00\x00\x00\x00\x00\x00}\x94(\x8c\x01a\x94]\x94(K\x01J\xfe\xff\xff\xffM,\x01G@\x04\x00\x00\x00\x00\x00\x00N\x88K\x01\x85\x94e\x8c\x01b\x94\x8a\x06\x00\x00\x00\x00\x00\x01u.";
    for bytes in [p0, p2, p4] {
        let p = read(bytes).unwrap();
        let Value::Sequence(list) = p.get(p.entry(p.root(), "a").unwrap()) else { panic!() };
        let values: Vec<&Value> = list.iter().map(|&id| p.get(id)).collect();
        let ints = [Value::Int(1), Value::Int(-2), Value::Int(300), Value::Float(2.5)];
        assert!(values[..4].iter().zip(&ints).all(|(a, b)| *a == b), "{values:?}");
        assert_eq!(values[4], &Value::None);
        assert!(matches!(values[6], Value::Sequence(v) if v.len() == 1));
        assert_eq!(p.get(p.entry(p.root(), "b").unwrap()), &Value::Int(1 << 40));
    }
}

#[test]
fn other_names_are_refused_even_uncalled() {
    let cases: [(&[u8], &str); 8] = [
        (b"cos\nsystem\n.", "os.system"),
        (b"\x80\x02cposix\nsystem\nX\x02\x00\x00\x00ls\x85R.", "posix.system"),
        (b"\x80\x04\x8c\x08builtins\x8c\x04eval\x93.", "builtins.eval"),
        (b"(S'ls'\nios\nsystem\n.", "os.system"),
        (b"ctorch.storage\n_load_from_bytes\n.", "torch.storage._load_from_bytes"),
        (b"\x82\x01.", "opcode 0x82"),
        (b"ctorch\nFloatStorage\n)R.", "storage of f32"),
        (b"cnumpy\ndtype\n)R)R.", "a call of numpy.dtype"),
    ];
    for (bytes, name) in cases {
        let e = read(bytes).err().unwrap();
        assert!(matches!(&e, FileError::Refused { name: n, .. } if n.contains(name)), "{e}");
    }
}

#[test]
fn inert_objects_keep_only_their_name() {
    let bytes = b"cdatetime\ntimedelta\n(K\x01K\x02tR}X\x01\x00\x00\x00aK\x01sb.";
    let p = read(bytes).unwrap();
    assert_eq!(p.get(p.root()), &Value::Opaque("datetime.timedelta".to_owned()));
}

#[test]
fn bombs_cost_little() {
    // A million nested lists, a list in itself, and a doubling chain of references.
    let mut nested = b"]".repeat(1_000_000);
    nested.extend(b"a".repeat(999_999));
    nested.push(b'.');
    assert!(matches!(read(&nested), Ok(p) if matches!(p.get(p.root()), Value::Sequence(_))));
    assert!(read(b"]q\x00h\x00a.").is_ok());
    let mut doubling = b"]q\x00".to_vec();
    for i in 0..200u8 {
        doubling.extend([b']', b'q', i + 1, b'(', b'h', i, b'h', i, b'e']);
    }
    doubling.push(b'.');
    assert!(read(&doubling).is_ok());
    assert!(read(&b"(".repeat(2_000)).err().unwrap().to_string().contains("nesting"));
    let e = read(&b"N".repeat(MAX_VALUES + 1)).err().unwrap().to_string();
    assert!(e.contains("at most 4,000,000"), "{e}");
    assert!(read(b"\x8d\xff\xff\xff\xff\xff\xff\xff\xffab.").is_err());
    assert!(read(b"B\xff\xff\xff\xffab.").is_err());
}

/// Every short program ends in a value or an error.
#[test]
fn random_programs_never_panic() {
    let ops = b"(.0125FIJKLMNPQRSTUVXabcdeghijlopqrstu]}\x80\x81\x85\x86\x87\x88\x8a\x8b\x8c\x90\x93\x94q\x00h\x00\n\x01";
    let mut state = 1u64;
    for _ in 0..200_000 {
        let random = (0..16).map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            ops[(state >> 33) as usize % ops.len()]
        });
        let program: Vec<u8> = random.chain([b'.']).collect();
        if let Err(e) = read(&program) {
            assert!(e.to_string().starts_with("x.pt: "), "{e}");
        }
    }
}
