//go:build !planted_forget_generation

package planted

// ForgetGeneration lets a delete leave the generation as it was.
const ForgetGeneration = false
