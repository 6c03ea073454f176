// Jest reporter: its last line is `N passed, N failed`, counted in tests. A test file that could not even run counts as one failure: silence must not look like success.
const { writeFileSync } = require('node:fs');

class SummaryReporter {
  onRunComplete(_contexts, results) {
    this.counts = countsOf(results, Boolean(process.env.CI));
    if (this.counts.skipped > 0) console.log(`${this.counts.skipped} skipped${process.env.CI ? ', which with CI set is a failure' : ''}`);
    console.log(lineOf(this.counts));
    if (process.env.SEGUE_SUMMARY_FILE) writeFileSync(process.env.SEGUE_SUMMARY_FILE, JSON.stringify(this.counts));
  }

  /** Jest is content with skipped tests; CI is not. */
  getLastError() {
    return process.env.CI && this.counts?.skipped > 0 ? new Error(`${this.counts.skipped} tests were skipped`) : undefined;
  }
}

function countsOf(results, inCi) {
  const skipped = results.numPendingTests + results.numTodoTests;
  const setUp = results.runExecError === undefined ? 0 : 1;
  return {
    passed: results.numPassedTests,
    failed: results.numFailedTests + results.numRuntimeErrorTestSuites + setUp + (inCi ? skipped : 0),
    skipped,
  };
}

function lineOf({ passed, failed }) {
  return `${passed} passed, ${failed} failed`;
}

module.exports = SummaryReporter;
module.exports.countsOf = countsOf;
module.exports.lineOf = lineOf;
