use super::*;

/// A binary arithmetic coder of 32 bits without carries, independent of the product's.
#[derive(Default)]
struct ToyCoder {
    bytes: Vec<u8>,
    read: usize,
    low: u32,
    high: u32,
    value: u32,
}

impl ToyCoder {
    fn encoder() -> Self {
        Self { high: u32::MAX, ..Self::default() }
    }

    fn decoder(bytes: Vec<u8>) -> Self {
        let mut coder = Self { bytes, high: u32::MAX, ..Self::default() };
        for _ in 0..4 {
            coder.shift_in();
        }
        coder
    }

    fn encode(&mut self, p1: u16, bit: bool) {
        self.narrow(p1, bit);
        while (self.low ^ self.high) >> 24 == 0 {
            self.bytes.push((self.high >> 24) as u8);
            self.widen();
        }
    }

    fn decode(&mut self, p1: u16) -> bool {
        let bit = self.value <= self.split(p1);
        self.narrow(p1, bit);
        while (self.low ^ self.high) >> 24 == 0 {
            self.shift_in();
            self.widen();
        }
        bit
    }

    fn finish(mut self) -> Vec<u8> {
        self.bytes.extend(self.high.to_be_bytes());
        self.bytes
    }

    fn split(&self, p1: u16) -> u32 {
        self.low + ((u64::from(self.high - self.low) * u64::from(p1)) >> 16) as u32
    }

    fn narrow(&mut self, p1: u16, bit: bool) {
        let split = self.split(p1);
        if bit { self.high = split } else { self.low = split + 1 }
    }

    fn widen(&mut self) {
        self.low <<= 8;
        self.high = self.high << 8 | 255;
    }

    fn shift_in(&mut self) {
        self.value = self.value << 8 | u32::from(self.bytes.get(self.read).copied().unwrap_or(0));
        self.read += 1;
    }
}

fn fastest() -> Instructions {
    Instructions::choose().unwrap()
}

/// Drives `predictor` over a block; `code` gets the place of the byte in it, a decision and the probability of a yes, and answers.
fn drive(predictor: &mut Predictor, mut code: impl FnMut(usize, Decision, u16) -> bool) {
    while !predictor.has_ended() {
        let place = predictor.coded();
        predictor.code_byte(&mut (), &mut |decision: Decision, yes: u16| Ok(code(place, decision, yes))).unwrap();
    }
}

fn encode(text: &[u8], layout: &Layout, (effort, instructions): (Effort, Instructions)) -> Vec<u8> {
    let mut predictor = Predictor::new(layout, Tables { bits: 16, effort }, text.len(), instructions);
    let mut coder = ToyCoder::encoder();
    drive(&mut predictor, |place, decision, yes| {
        let answer = decision.of(text[place]);
        coder.encode(yes, answer);
        answer
    });
    assert_eq!(predictor.into_bytes(), text);
    coder.finish()
}

fn decode(code: Vec<u8>, layout: &Layout, length: usize, effort: Effort) -> Vec<u8> {
    let mut predictor = Predictor::new(layout, Tables { bits: 16, effort }, length, fastest());
    let mut coder = ToyCoder::decoder(code);
    drive(&mut predictor, |_, _, yes| coder.decode(yes));
    predictor.into_bytes()
}

/// Rows whose last column is the sum of two others.
fn table() -> Vec<u8> {
    let mut state = 1u64;
    let mut text = b"id,fare,tip,total\n".to_vec();
    for row in 0..500 {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        let (fare, tip) = (state >> 60, state >> 50 & 7);
        text.extend(format!("{row},{fare},{tip},{}\n", fare + tip).bytes());
    }
    text
}

const SOURCE: &[u8] = include_bytes!("mod.rs").first_chunk::<6000>().unwrap();

#[test]
fn a_decoder_restores_what_an_encoder_coded_with_any_effort_and_layout() {
    let table = table();
    for text in [SOURCE, &table, b"", b"x", &[255; 3000]] {
        for layout in [
            Layout::Plain,
            Layout::detect(text),
            Layout::Delimited { delimiter: b',', quote: Some(b'"'), schemas: Vec::new() },
        ] {
            for effort in [Effort::Fast, Effort::Quick, Effort::Normal, Effort::Full] {
                let code = encode(text, &layout, (effort, fastest()));
                assert!(decode(code, &layout, text.len(), effort) == text, "{layout:?}, {effort:?}");
            }
        }
    }
}

#[test]
fn all_instruction_sets_agree() {
    let table = table();
    for text in [SOURCE, &table] {
        let layout = Layout::detect(text);
        for effort in [Effort::Fast, Effort::Quick, Effort::Normal, Effort::Full] {
            let plain = encode(text, &layout, (effort, Instructions::Scalar));
            for instructions in Instructions::available() {
                assert_eq!(encode(text, &layout, (effort, instructions)), plain, "{effort:?} {}", instructions.name());
            }
        }
    }
}

#[test]
fn structure_and_certainty_make_it_small() {
    let table = table();
    let (plain, rows) = (
        encode(&table, &Layout::Plain, (Effort::Normal, fastest())).len(),
        encode(&table, &Layout::detect(&table), (Effort::Normal, fastest())).len(),
    );
    assert!(rows < plain, "{rows} with columns, {plain} without");
    assert!(encode(&[0; 1 << 17], &Layout::Plain, (Effort::Normal, fastest())).len() < 40);
    assert!(encode(SOURCE, &Layout::Plain, (Effort::Normal, fastest())).len() < SOURCE.len() * 2 / 5);
}

#[test]
fn a_network_is_told_the_same_while_it_learns_and_while_it_predicts() {
    let numbers = (0..3000u64).map(|i| (i * i * 7919 % 9001, i * 104_729 % 997));
    let rows: String = numbers.map(|(one, other)| format!("{one},{other},{}\n", one + other)).collect();
    let layout = Layout::detect(rows.as_bytes());
    let tables = Tables { bits: 14, effort: Effort::Quick };
    let mut predictor = Predictor::new(&layout, tables, rows.len(), fastest());
    let mut follower = Follower::new(&layout);
    let mut foretold = 0;
    for (place, byte) in rows.bytes().enumerate() {
        let input = predictor.input(None);
        assert_eq!(input, follower.input(None), "byte {place}");
        assert_eq!(input.position, predictor.position());
        foretold += usize::from(input.foretold.state == 1 && input.foretold.byte == Some(byte));
        predictor.code_byte(&mut (), &mut |decision: Decision, _| Ok(decision.of(byte))).unwrap();
        follower.advance(&rows.as_bytes()[..=place]);
    }
    assert!(foretold > 3000, "{foretold} of {} bytes were foretold", rows.len());
}
