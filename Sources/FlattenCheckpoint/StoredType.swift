/// The type of stored elements as a file names it, also one whose tensors are listed and not read.
struct StoredType: Sendable {
  /// For messages: `float32`, `complex64`.
  let name: String
  let byteSize: Int
  /// `nil` where tensors of this type are not read.
  let elementType: ElementType?

  init(_ elementType: ElementType) {
    name = elementType.rawValue
    byteSize = elementType.byteSize
    self.elementType = elementType
  }

  private init(unread name: String, byteSize: Int) {
    self.name = name
    self.byteSize = byteSize
    elementType = nil
  }

  /// Bytes without a type.
  static let untyped = StoredType(.uint8)

  /// By torch's storage classes.
  static let byStorageClass: [String: StoredType] = [
    "DoubleStorage": StoredType(.float64), "FloatStorage": StoredType(.float32),
    "HalfStorage": StoredType(.float16), "BFloat16Storage": StoredType(.bfloat16),
    "LongStorage": StoredType(.int64), "IntStorage": StoredType(.int32),
    "ShortStorage": StoredType(.int16), "CharStorage": StoredType(.int8),
    "ByteStorage": StoredType(.uint8), "BoolStorage": StoredType(.bool),
    "ComplexDoubleStorage": StoredType(unread: "complex128", byteSize: 16),
    "ComplexFloatStorage": StoredType(unread: "complex64", byteSize: 8),
    "QInt8Storage": StoredType(unread: "quantized int8", byteSize: 1),
    "QUInt8Storage": StoredType(unread: "quantized uint8", byteSize: 1),
    "QInt32Storage": StoredType(unread: "quantized int32", byteSize: 4),
    "QUInt4x2Storage": StoredType(unread: "quantized uint4", byteSize: 1),
    "QUInt2x4Storage": StoredType(unread: "quantized uint2", byteSize: 1),
  ]

  /// By the names of torch's element types, `torch.float32`; those that have several under each.
  static let byElementType: [String: StoredType] = {
    var types: [String: StoredType] = [:]
    for type in ElementType.allCases { types[type.rawValue] = StoredType(type) }
    for (name, type) in [
      ("half", ElementType.float16), ("float", .float32), ("double", .float64), ("short", .int16),
      ("int", .int32), ("long", .int64),
    ] {
      types[name] = StoredType(type)
    }
    for (byteSize, names) in [
      (
        1,
        [
          "float8_e4m3fnuz", "float8_e5m2fnuz", "float8_e8m0fnu", "float4_e2m1fn_x2", "bits8",
          "bits1x8", "bits2x4", "bits4x2", "quint8", "qint8", "quint4x2", "quint2x4",
        ] + (1...7).flatMap { ["int\($0)", "uint\($0)"] }
      ),
      (2, ["bits16"]), (4, ["complex32", "chalf", "qint32"]), (8, ["complex64", "cfloat"]),
      (16, ["complex128", "cdouble"]),
    ] {
      for name in names { types[name] = StoredType(unread: name, byteSize: byteSize) }
    }
    return types
  }()

  /// By the name in a safetensors header; `nil` where it is unknown.
  init?(safetensorsName name: String) {
    if let type = ElementType(safetensorsName: name) {
      self.init(type)
    } else if let byteSize = ["C64": 8, "F8_E8M0": 1, "F8_E4M3FNUZ": 1, "F8_E5M2FNUZ": 1][name] {
      self.init(unread: name, byteSize: byteSize)
    } else {
      return nil
    }
  }
}
