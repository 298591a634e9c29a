/** metav1.MicroTime: RFC 3339 in UTC with six fractional digits, as Leases and Events need them. `ms` is wall time. */
export function microTime(ms: number): string {
  return new Date(ms).toISOString().replace("Z", "000Z");
}
