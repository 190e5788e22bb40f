import Mocha from 'mocha';

/** The spec reporter, and after it the one plain line that build servers read: `N passed, N failed`. */
class PlainReporter extends Mocha.reporters.Spec {
  constructor(runner: Mocha.Runner, options: Mocha.MochaOptions) {
    super(runner, options);
    runner.once(Mocha.Runner.constants.EVENT_RUN_END, () => {
      const { passes, failures, pending } = this.stats;
      const skipped = pending > 0 ? `, ${pending} skipped` : '';
      Mocha.reporters.Base.consoleLog(`${passes} passed, ${failures} failed${skipped}`);
    });
  }
}

// eslint-disable-next-line no-restricted-syntax -- mocha takes a reporter's default export
export default PlainReporter;
