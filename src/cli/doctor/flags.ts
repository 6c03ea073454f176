import type { OutputFlags } from '../output-flag';
import type { TemporalFlags } from '../temporal-flags';

export interface DoctorFlags extends TemporalFlags, OutputFlags {
  readonly root?: string;
  readonly model?: readonly string[];
  readonly fleet?: string;
  readonly server?: string;
  readonly pollSeconds?: number;
  /** commander's name of --no-temporal. */
  readonly temporal: boolean;
}
