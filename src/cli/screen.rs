//! The terminal while the demo has it: the alternate screen, raw keys, colours. However the demo ends, by
//! a key, an error, a signal or a panic, the terminal is as it was.

use std::{
    io::{self, Stdout, Write},
    panic,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use crossterm::{
    cursor,
    event::{self, Event, KeyCode, KeyEventKind, KeyModifiers},
    execute, queue,
    style::{Attribute, Color, Print, ResetColor, SetAttribute, SetForegroundColor},
    terminal,
};

use super::scene::{Frame, Ink};

/// The terminal, taken over until this is dropped.
pub(super) struct Screen {
    out: Stdout,
    is_coloured: bool,
    is_interrupted: Arc<AtomicBool>,
}

impl Screen {
    pub(super) fn enter() -> io::Result<Screen> {
        let previous = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            // Else the message would go to the screen that is about to vanish.
            leave();
            previous(panic);
        }));
        terminal::enable_raw_mode()?;
        let screen = Screen {
            out: io::stdout(),
            is_coloured: std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()),
            is_interrupted: interruption(),
        };
        execute!(
            io::stdout(),
            terminal::EnterAlternateScreen,
            terminal::DisableLineWrap
        )?;
        Ok(screen)
    }

    /// Columns and rows.
    pub(super) fn size(&self) -> (usize, usize) {
        let (width, height) = terminal::size().unwrap_or((80, 24));
        (width.into(), height.into())
    }

    /// Draws a frame in one write.
    pub(super) fn draw(&mut self, frame: &Frame) -> io::Result<()> {
        queue!(self.out, terminal::BeginSynchronizedUpdate, cursor::Hide)?;
        for (idx, row) in frame.rows.iter().enumerate() {
            queue!(
                self.out,
                cursor::MoveTo(0, idx as u16),
                terminal::Clear(terminal::ClearType::CurrentLine)
            )?;
            for (ink, text) in row {
                if matches!(ink, Ink::Ghost | Ink::Faint | Ink::Comment) {
                    queue!(self.out, SetAttribute(Attribute::Dim))?;
                }
                if matches!(ink, Ink::Ghost) {
                    queue!(self.out, SetAttribute(Attribute::Italic))?;
                }
                if matches!(ink, Ink::Strong) {
                    queue!(self.out, SetAttribute(Attribute::Bold))?;
                }
                if let Some(color) = color(*ink).filter(|_| self.is_coloured) {
                    queue!(self.out, SetForegroundColor(color))?;
                }
                queue!(
                    self.out,
                    Print(text),
                    SetAttribute(Attribute::Reset),
                    ResetColor
                )?;
            }
        }
        let (column, row) = frame.cursor;
        queue!(
            self.out,
            cursor::MoveTo(column as u16, row as u16),
            cursor::Show,
            terminal::EndSynchronizedUpdate
        )?;
        self.out.flush()
    }

    /// Whether the user, or a signal, has asked to end. Takes the keys pressed so far; does not wait.
    pub(super) fn wants_out(&self) -> io::Result<bool> {
        let mut wants_out = self.is_interrupted.load(Ordering::Relaxed);
        while event::poll(Duration::ZERO)? {
            // A new size is seen at the next key's frame, and that one comes soon.
            let Event::Key(key) = event::read()? else {
                continue;
            };
            let is_control = key.modifiers.contains(KeyModifiers::CONTROL);
            wants_out |= key.kind == KeyEventKind::Press
                && match key.code {
                    KeyCode::Char('c' | 'd') => is_control,
                    KeyCode::Char('q') | KeyCode::Esc => true,
                    _ => false,
                };
        }
        Ok(wants_out)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        leave();
    }
}

/// Gives the terminal back; may be done twice.
fn leave() {
    // There is nothing to do about a terminal that has gone.
    let _ = execute!(
        io::stdout(),
        SetAttribute(Attribute::Reset),
        ResetColor,
        terminal::EnableLineWrap,
        terminal::LeaveAlternateScreen,
        cursor::Show
    );
    let _ = terminal::disable_raw_mode();
}

/// Becomes true when a signal asks the process to end. In raw mode Ctrl-C is a key, but `kill` is not.
fn interruption() -> Arc<AtomicBool> {
    let is_interrupted = Arc::new(AtomicBool::new(false));
    let flag = is_interrupted.clone();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        if let Ok(runtime) = runtime {
            runtime.block_on(super::lsp::signal());
            flag.store(true, Ordering::Relaxed);
        }
    });
    is_interrupted
}

fn color(ink: Ink) -> Option<Color> {
    match ink {
        Ink::Plain | Ink::Strong => None,
        Ink::Keyword => Some(Color::Magenta),
        Ink::Type => Some(Color::Cyan),
        Ink::Function => Some(Color::Blue),
        Ink::Literal => Some(Color::Yellow),
        Ink::Comment | Ink::Faint | Ink::Ghost => Some(Color::DarkGrey),
        Ink::Good => Some(Color::Green),
        Ink::Late => Some(Color::Red),
    }
}
