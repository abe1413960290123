import FlattenKernels
import Testing

@Suite struct DispatchTests {
  @Test(arguments: ["ref", "generic"]) func isAlwaysThere(name: String) throws {
    let table = try #require(fk_table_for(name))
    #expect(String(cString: table.pointee.isa) == name)
  }

  @Test(
    .enabled(if: KernelSet.isAvailable("avx2"), "this CPU has no AVX2: its kernels are untested"))
  func avx2IsTested() throws {
    let table = try #require(fk_table_for("avx2"))
    #expect(String(cString: table.pointee.isa) == "avx2")
    #expect(KernelSet.present.contains { $0.name == "avx2" })
  }

  @Test(
    .enabled(
      if: KernelSet.isAvailable("avx512"), "this CPU has no AVX-512: its kernels are untested"))
  func avx512IsTested() throws {
    let table = try #require(fk_table_for("avx512"))
    #expect(String(cString: table.pointee.isa) == "avx512")
    #expect(KernelSet.present.contains { $0.name == "avx512" })
  }

  @Test(
    .enabled(
      if: KernelSet.isAvailable("avx512_bf16"),
      "this CPU has no AVX512-BF16: its kernels are untested"))
  func avx512WithBF16IsTested() throws {
    let table = try #require(fk_table_for("avx512_bf16"))
    #expect(String(cString: table.pointee.isa) == "avx512_bf16")
    #expect(KernelSet.present.contains { $0.name == "avx512_bf16" })
    #expect(KernelSet.all.allSatisfy { ($0.table.has_bf16 != 0) == ($0.name == "avx512_bf16") })
  }

  @Test(arguments: ["", "sse", "AVX2", "avx2 ", "neon"]) func unknownNamesHaveNoTable(name: String)
  {
    #expect(fk_table_for(name) == nil)
  }

  @Test func theActiveTableIsOneOfThem() {
    let name = String(cString: fk_isa())
    #expect(String(cString: fk_active().pointee.isa) == name)
    #expect(fk_table_for(name) == fk_active())
    #expect(KernelSet.all.contains { $0.name == name })
  }

  @Test func theWidestIsActiveUnlessTheEnvironmentSaysOtherwise() {
    let active = String(cString: fk_isa())
    let wanted = environment("FLATTEN_ISA")
    let known = KernelSet.all.map(\.name)
    #expect(active == (known.contains(wanted ?? "") ? wanted : known.last))
  }

  @Test(arguments: KernelSet.all) func everyEntryIsFilled(set: KernelSet) {
    let table = set.table
    #expect(table.epilogue != nil && table.layer_norm != nil && table.focus != nil)
    #expect(table.softmax != nil && table.column_sums != nil && table.divide_by_dot != nil)
    #expect(table.softmax_columns != nil && table.clamp_magnitude != nil)
    #expect(table.divide_by_dot_clamped != nil)
    #expect(table.cubic_columns != nil && table.cubic_rows != nil)
    #expect(table.depthwise_row != nil && table.bilinear_row != nil && table.argmax != nil)
    #expect(table.winograd_weights != nil)
    #expect(table.mix_columns != nil && table.mix_rows != nil && table.all_finite != nil)
    #expect(table.add_scaled != nil && table.gemm_pack != nil && table.gemm != nil)
    #expect(table.winograd_input != nil && table.winograd_output != nil)
    #expect(table.bf16_narrow != nil && table.bf16_pack != nil && table.bf16_gemm != nil)
    #expect(table.bf16_winograd_input != nil)
  }
}
