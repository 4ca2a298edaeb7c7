// What runs inside the page of VS Code: it reads ghost text off the screen, and writes down when a key was
// pressed and when which ghost text was painted. Each function is handed to the browser as its source, so
// it uses nothing from outside itself.

/** Installed before the page's own scripts. `window.ghostline` then has `read`, `log` and `clear`. */
export function watch() {
  // VS Code draws with blanks that do not break, the text has plain ones.
  const plain = (text) => text.replaceAll('\u00a0', ' ').replaceAll('\u200b', '');

  /**
   * The ghost text in the editor that has the focus: what stands in the cursor's line, then the lines below it. Parts of
   * one line are painted as several nodes; of several cursors each has a copy, and the first is taken.
   */
  const read = () => {
    const editor = document.querySelector('.monaco-editor.focused') ?? document;
    const inline = [...editor.querySelectorAll('.view-lines .view-line')]
      .map((line) => ({
        top: line.getBoundingClientRect().top,
        text: [...line.querySelectorAll('[class*="ghost-text-decoration"]')].map((node) => node.textContent).join(''),
      }))
      .filter((line) => line.text !== '')
      .sort((a, b) => a.top - b.top);
    const below = [...editor.querySelectorAll('.suggest-preview-text .view-line, .ghost-text-view-line, .suggest-preview-text > div')]
      .filter((node) => !node.querySelector('div'))
      .map((node) => plain(node.textContent));
    return [plain(inline[0]?.text ?? ''), ...below].join('\n').replace(/^\n+$/, '');
  };

  let log = [];
  let last = '';
  let painted = '';
  // A task posted while a frame is being made runs after that frame was painted.
  const channel = new MessageChannel();
  let inFrame = false;
  channel.port1.onmessage = () => {
    inFrame = false;
    // Of what changed within one frame, only the last was ever to be seen.
    if (last !== painted) {
      painted = last;
      log.push({ ghost: last, at: performance.now() });
    }
  };
  const ownFrame = window.requestAnimationFrame.bind(window);
  window.requestAnimationFrame = (work) =>
    ownFrame((time) => {
      if (!inFrame) {
        inFrame = true;
        channel.port2.postMessage(0);
      }
      work(time);
    });

  const look = () => {
    last = read();
    if (last !== painted && !inFrame) {
      // Changed outside a frame: painted with the next one.
      window.requestAnimationFrame(() => {});
    }
  };
  const start = () =>
    new MutationObserver(look).observe(document.documentElement, { subtree: true, childList: true, characterData: true });
  if (document.documentElement) {
    start();
  } else {
    document.addEventListener('DOMContentLoaded', start);
  }
  // Before VS Code's own handlers. The event's time is when the browser got the key, not when the page came round to it.
  window.addEventListener('keydown', (event) => log.push({ key: event.key, at: event.timeStamp }), true);

  window.ghostline = {
    read,
    log: () => log,
    clear: () => {
      log = [];
    },
  };
}
