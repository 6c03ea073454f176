/** There is no Temporal to work with: no program to start one, no answer at the address, no namespace, no search attributes. The command line ends with 7. */
export class NoTemporalError extends Error {
  override readonly name = 'NoTemporalError';
}
