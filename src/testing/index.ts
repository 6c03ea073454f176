// The testing kit: a model server that behaves as TensorFlow Serving, and an S3 server with faults. Both over real sockets, in this process or as one of their own.

export { startS3, type PutOptions, type S3Server, type S3ServerOptions } from './s3/server';
export type { Fault, FaultRule } from './s3/faults';
export type { LoggedRequest } from './s3/request-log';
export { Faults } from './tf-serving/faults';
export { runSimulator } from './tf-serving/main';
export { startSimulator, type Simulator, type StartOptions } from './tf-serving/server';
export { ServingError } from './tf-serving/status';
