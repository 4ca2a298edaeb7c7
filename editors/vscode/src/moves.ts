/**
 * Which documents are looked at and where the cursor goes, as far as the server is told. No VS Code in here, so
 * that it is tested without one.
 */

/** Arrow keys repeat every 30 ms: only where the cursor stays is worth working ahead. */
export const SETTLED_MS = 80;

export interface Place {
  uri: string;
  line: number;
  character: number;
}

/** An editor's cursor after its selection has changed. */
export interface Selection extends Place {
  version: number;
  isActive: boolean;
  /** Nothing is selected: what is typed next is inserted, not put in place of something. */
  isEmpty: boolean;
}

export interface Timers {
  set(work: () => void, ms: number): unknown;
  clear(timer: unknown): void;
}

/**
 * Cursor moves without an edit. After an edit the server knows the place by itself, from the edit and from the request
 * that follows. VS Code doesn't tell why a selection has changed in a way that sets typing apart from arrow keys, but a
 * version that no selection came with before means "typed".
 */
export class Moves {
  /** Of each document at its last change of selection. */
  private versions = new Map<string, number>();
  private waiting: unknown;
  private last: Place | undefined;

  constructor(
    private readonly send: (place: Place) => void,
    private readonly timers: Timers,
  ) {}

  closed(uri: string): void {
    this.versions.delete(uri);
  }

  moved(selection: Selection): void {
    const { uri, version, line, character, isActive, isEmpty } = selection;
    if (!isActive) {
      return;
    }
    const known = this.versions.get(uri);
    this.versions.set(uri, version);
    this.cancel();
    const isTyped = known !== undefined && known !== version;
    const isSame = this.last?.uri === uri && this.last.line === line && this.last.character === character;
    if (isTyped || !isEmpty || isSame) {
      return;
    }
    this.waiting = this.timers.set(() => {
      this.waiting = undefined;
      this.last = { uri, line, character };
      this.send(this.last);
    }, SETTLED_MS);
  }

  /** What was sent does not count any more: a text has changed, or the server is a new one. */
  forget(): void {
    this.cancel();
    this.last = undefined;
  }

  private cancel(): void {
    if (this.waiting !== undefined) {
      this.timers.clear(this.waiting);
      this.waiting = undefined;
    }
  }
}

/** The documents in view, each once, the focused one first. */
export function inView(uris: readonly string[], focused: string | undefined): string[] {
  const all = focused === undefined ? uris : [focused, ...uris];
  return [...new Set(all)];
}
