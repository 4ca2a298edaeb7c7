/** When a server that died is started again. No VS Code in here, so that it is tested without one. */

const MOST = 3;
const WITHIN_MS = 3 * 60 * 1000;

export class Crashes {
  private times: number[] = [];

  /** Notes a crash; false when there were too many lately, so that a broken server does not start forever. */
  mayRestart(now: number): boolean {
    this.times = this.times.filter((time) => now - time < WITHIN_MS);
    this.times.push(now);
    return this.times.length <= MOST;
  }
}
