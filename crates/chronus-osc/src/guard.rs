//! Looks at a packet's structure before it is parsed, so that no packet can make the parser recurse
//! deeply or reserve more than the packet holds.

/// Bundles within bundles, and arrays within arrays, that are taken.
const MOST_DEPTH: usize = 8;
/// Messages in one packet that are taken.
const MOST_MESSAGES: usize = 1024;

/// Checks nesting and element sizes.
///
/// # Errors
/// A sentence that says what is wrong.
pub(crate) fn check(packet: &[u8]) -> Result<(), String> {
    let mut messages = 0;
    check_element(packet, 0, &mut messages)
}

fn check_element(element: &[u8], depth: usize, messages: &mut usize) -> Result<(), String> {
    match element.first() {
        None => Err("the packet is empty; send an OSC message or bundle".into()),
        Some(b'/') => {
            *messages += 1;
            if *messages > MOST_MESSAGES {
                return Err(format!(
                    "a packet may hold {MOST_MESSAGES} messages; send more packets"
                ));
            }
            check_arrays(element)
        }
        Some(b'#') => check_bundle(element, depth, messages),
        Some(_) => Err("an OSC packet begins with `/` (a message) or `#bundle`".into()),
    }
}

/// The parser calls itself for each array within an array, so a message of nothing but opening
/// brackets would exhaust the stack. The type tags follow the address, from the first `,` after its end.
fn check_arrays(message: &[u8]) -> Result<(), String> {
    let tags = message.iter().skip_while(|byte| **byte != 0).skip_while(|byte| **byte == 0);
    let mut depth = 0_usize;
    for tag in tags.take_while(|tag| **tag != 0) {
        match tag {
            b'[' => depth += 1,
            b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > MOST_DEPTH {
            return Err(format!("arrays may be nested {MOST_DEPTH} deep; send fewer brackets"));
        }
    }
    Ok(())
}

fn check_bundle(bundle: &[u8], depth: usize, messages: &mut usize) -> Result<(), String> {
    if depth >= MOST_DEPTH {
        return Err(format!("bundles may be nested {MOST_DEPTH} deep; send them one by one"));
    }
    let cut = || "the packet is cut short; send the whole of it".to_owned();
    let mut rest =
        bundle.strip_prefix(b"#bundle\0").and_then(|rest| rest.get(8..)).ok_or_else(cut)?;
    while !rest.is_empty() {
        let (size, after) = rest.split_first_chunk::<4>().ok_or_else(cut)?;
        let size = u32::from_be_bytes(*size) as usize;
        let (element, after) = after.split_at_checked(size).ok_or_else(cut)?;
        check_element(element, depth + 1, messages)?;
        rest = after;
    }
    Ok(())
}
