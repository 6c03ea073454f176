// What takes a second to load (the SDK's native part, webpack, the S3 client), required only by the verbs that run it: a question to a rollout shall be quick.

import type * as DoctorChecks from './doctor/examine';
import type * as Simulator from '../testing/tf-serving/main';
import type * as Dev from './dev-run';
import type * as Fetching from './fetch/fetch-into';
import type * as Processes from './processes';
import type * as Verifying from './verify-files';

export const processes = (): typeof Processes => require('./processes') as typeof Processes;
export const dev = (): typeof Dev => require('./dev-run') as typeof Dev;
export const simulator = (): typeof Simulator => require('../testing/tf-serving/main') as typeof Simulator;
export const doctorChecks = (): typeof DoctorChecks => require('./doctor/examine') as typeof DoctorChecks;
export const verifying = (): typeof Verifying => require('./verify-files') as typeof Verifying;
export const fetching = (): typeof Fetching => require('./fetch/fetch-into') as typeof Fetching;
