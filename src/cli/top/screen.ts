/**
 * A screen of its own on a terminal: the alternate one, so that what was there comes back. Plain ANSI, and of each picture only the
 * lines that differ from the one before: it is fit for a slow line.
 */
import { emitKeypressEvents } from 'node:readline';
import type { Line, Size, Tone } from './picture.ts';
import type { Key } from './view.ts';
import { cells } from './cells.ts';

const ENTER = '\u001b[?1049h\u001b[?25l';
const LEAVE = '\u001b[?25h\u001b[?1049l';
const CLEAR = '\u001b[H\u001b[2J';
const TO_END_OF_LINE = '\u001b[K';

/** Of a terminal that does not say. */
const USUAL: Size = { columns: 80, rows: 24 };

const COLOURS: Readonly<Record<Tone, string>> = {
  plain: '',
  title: '1',
  heading: '7',
  bad: '1;31',
  warned: '33',
  faint: '2',
};

export interface ScreenOptions {
  stdin: NodeJS.ReadableStream | undefined;
  stdout: NodeJS.WritableStream;
  colours: boolean;
  onKey: (key: Key) => void;
  /** Its size is another one, or all of it must be drawn anew. */
  onResize: () => void;
  /** Nobody is at the keys any more. */
  onEnd: () => void;
}

/** Only of this kind of stdin keys can be read one by one. */
type Keyboard = NodeJS.ReadStream & { setRawMode: (raw: boolean) => unknown };

export class Screen {
  readonly #options: ScreenOptions;
  readonly #keyboard: Keyboard | undefined;
  #shown: string[] = [];
  #isOpen = false;

  constructor(options: ScreenOptions) {
    this.#options = options;
    const { stdin } = options;
    this.#keyboard = (stdin as Partial<NodeJS.ReadStream> | undefined)?.isTTY
      ? (stdin as Keyboard)
      : undefined;
  }

  get size(): Size {
    const { columns, rows } = this.#options.stdout as Partial<NodeJS.WriteStream>;
    return { columns: columns || USUAL.columns, rows: rows || USUAL.rows };
  }

  open(): void {
    if (this.#isOpen) return;
    this.#isOpen = true;
    this.#shown = [];
    const { stdout, onEnd } = this.#options;
    process.on('exit', this.#leave);
    stdout.on('resize', this.#resized);
    stdout.write(ENTER + CLEAR);
    if (!this.#keyboard) return;
    emitKeypressEvents(this.#keyboard);
    this.#keyboard.setRawMode(true);
    this.#keyboard.on('keypress', this.#pressed).on('end', onEnd);
    this.#keyboard.resume();
  }

  /** The terminal is as it was. */
  close(): void {
    if (!this.#isOpen) return;
    const { stdout, onEnd } = this.#options;
    stdout.off('resize', this.#resized);
    process.off('exit', this.#leave);
    this.#keyboard?.off('keypress', this.#pressed).off('end', onEnd);
    this.#keyboard?.pause();
    this.#leave();
  }

  /** Until the shell lets this process go on: then it opens again. */
  suspend(): void {
    this.close();
    process.once('SIGCONT', () => {
      this.open();
      this.#options.onResize();
    });
    process.kill(process.pid, 'SIGTSTP');
  }

  draw(lines: readonly Line[]): void {
    if (!this.#isOpen) return;
    const { columns } = this.size;
    const texts = lines.map((line) => this.#painted(line, columns));
    const news = texts.map((text, at) => (text === this.#shown[at] ? '' : `\u001b[${at + 1};1H${text}`));
    this.#shown = texts;
    const written = news.join('');
    if (written !== '') this.#options.stdout.write(written);
  }

  /** After a line that fills its row the cursor is still in it, and would erase its last character. */
  #painted({ text, tone }: Line, columns: number): string {
    const end = cells(text) < columns ? TO_END_OF_LINE : '';
    const colour = this.#options.colours ? COLOURS[tone] : '';
    return colour === '' ? text + end : `\u001b[${colour}m${text}\u001b[0m${end}`;
  }

  readonly #leave = (): void => {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#keyboard?.setRawMode(false);
    this.#options.stdout.write(LEAVE);
  };

  readonly #resized = (): void => {
    this.#shown = [];
    this.#options.stdout.write(CLEAR);
    this.#options.onResize();
  };

  readonly #pressed = (text: string | undefined, key: Omit<Key, 'text'>): void => {
    this.#options.onKey({ ...key, text });
  };
}
