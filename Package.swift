// swift-tools-version: 6.2
// What needs 6.2, where Debian 13 has 6.0.3: Span and MutableSpan, which the libraries hand out in the place
// of pointers.
import PackageDescription

let argumentParser: Target.Dependency = .product(
  name: "ArgumentParser", package: "swift-argument-parser")
let logging: Target.Dependency = .product(name: "Logging", package: "swift-log")
let yams: Target.Dependency = .product(name: "Yams", package: "Yams")

let package = Package(
  name: "flatten-seg",
  platforms: [.macOS(.v15)],
  products: [
    .executable(name: "flatten-seg", targets: ["flatten-seg"]),
    .library(
      name: "FlattenBackbones",
      targets: [
        "FlattenBackbones", "FlattenNN", "FlattenCheckpoint", "FlattenTensor", "FlattenImage",
        "FlattenRegions",
      ]),
    .library(
      name: "FlattenVision",
      targets: [
        "FlattenVision", "FlattenInspection", "FlattenBackbones", "FlattenData", "FlattenMetrics",
        "FlattenImage", "FlattenRegions",
      ]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.5.0"),
    .package(url: "https://github.com/apple/swift-log", from: "1.6.0"),
    .package(url: "https://github.com/jpsim/Yams", from: "6.0.0"),
  ],
  targets: [
    // C libraries of the system, found through pkg-config. OpenBLAS is for tests, which compare
    // products with it.
    .systemLibrary(
      name: "COpenBLAS", pkgConfig: "openblas", providers: [.apt(["libopenblas-dev"])]),
    .systemLibrary(name: "CLibJPEG", pkgConfig: "libjpeg", providers: [.apt(["libjpeg-dev"])]),
    .systemLibrary(name: "CLibPNG", pkgConfig: "libpng", providers: [.apt(["libpng-dev"])]),

    // C targets.
    .target(name: "FlattenKernels"),
    .target(name: "FlattenSystem"),
    .target(name: "FlattenCodecs", dependencies: ["CLibJPEG", "CLibPNG"]),
    .target(name: "FlattenDefaults"),

    // The rooms, from the cellar up. Each names all that it imports; Tools/test checks it.
    .target(name: "FlattenFiles", dependencies: ["FlattenSystem"]),
    .target(name: "FlattenRegions"),
    .target(
      name: "FlattenTensor", dependencies: ["FlattenKernels", "FlattenSystem", "FlattenRegions"]),
    .target(name: "FlattenCheckpoint", dependencies: ["FlattenTensor", "FlattenFiles"]),
    .target(name: "FlattenNN", dependencies: ["FlattenTensor", "FlattenCheckpoint"]),
    .target(name: "FlattenTraining", dependencies: ["FlattenTensor", "FlattenRegions"]),
    .target(name: "FlattenConfig", dependencies: ["FlattenFiles", yams]),
    .target(
      name: "FlattenImage",
      dependencies: ["FlattenTensor", "FlattenRegions", "FlattenFiles", "FlattenCodecs"]),
    .target(
      name: "FlattenBackbones",
      dependencies: [
        "FlattenNN", "FlattenCheckpoint", "FlattenTensor", "FlattenConfig", "FlattenImage",
        "FlattenFiles",
      ]),
    .target(
      name: "FlattenModels",
      dependencies: [
        "FlattenBackbones", "FlattenNN", "FlattenCheckpoint", "FlattenTensor", "FlattenRegions",
        "FlattenConfig",
      ]),
    .target(
      name: "FlattenInspection",
      dependencies: [
        "FlattenModels", "FlattenCheckpoint", "FlattenTensor", "FlattenRegions", "FlattenFiles",
      ]),
    .target(
      name: "FlattenData",
      dependencies: [
        "FlattenImage", "FlattenRegions", "FlattenConfig", "FlattenFiles", "FlattenDefaults",
      ]),
    .target(
      name: "FlattenMetrics", dependencies: ["FlattenData", "FlattenRegions", "FlattenFiles"]),
    .target(
      name: "FlattenVision",
      dependencies: [
        "FlattenInspection", "FlattenModels", "FlattenBackbones", "FlattenCheckpoint",
        "FlattenTensor", "FlattenConfig", "FlattenData", "FlattenMetrics", "FlattenImage",
        "FlattenRegions", "FlattenFiles", "FlattenDefaults", logging,
      ]),
    .executableTarget(
      name: "flatten-seg",
      dependencies: [
        "FlattenVision", "FlattenInspection", "FlattenBackbones", "FlattenData", "FlattenMetrics",
        "FlattenImage", "FlattenConfig", "FlattenCheckpoint", "FlattenTensor", "FlattenRegions",
        "FlattenFiles", "FlattenSystem",
        argumentParser, logging,
      ]),

    // Tests.
    .target(
      name: "TestSupport", dependencies: ["FlattenCheckpoint", "FlattenTensor"],
      path: "Tests/TestSupport"),
    .target(name: "AllocationCounter", path: "Tests/AllocationCounter"),
    // What the example of a model of one's own consists of, for tests of its numbers.
    .target(
      name: "OwnModelParts",
      dependencies: [
        "FlattenBackbones", "FlattenNN", "FlattenCheckpoint", "FlattenTensor", "FlattenImage",
      ],
      path: "Examples/OwnModel/Sources/OwnModel", exclude: ["main.swift"]),
    .testTarget(name: "FlattenFilesTests", dependencies: ["FlattenFiles", "TestSupport"]),
    .testTarget(name: "FlattenRegionsTests", dependencies: ["FlattenRegions", "TestSupport"]),
    .testTarget(
      name: "FlattenTensorTests",
      dependencies: [
        "FlattenTensor", "FlattenRegions", "FlattenKernels", "TestSupport", "COpenBLAS",
      ]),
    .testTarget(name: "TestSupportTests", dependencies: ["TestSupport", "FlattenTensor"]),
    .testTarget(
      name: "FlattenCheckpointTests",
      dependencies: ["FlattenCheckpoint", "FlattenTensor", "FlattenFiles", "TestSupport"]),
    // Attentions made here are written down as matrices, which is FlattenInspection's, and compared.
    .testTarget(
      name: "FlattenNNTests",
      dependencies: [
        "FlattenNN", "FlattenInspection", "FlattenCheckpoint", "FlattenTensor", "TestSupport",
      ]),
    .testTarget(
      name: "FlattenTrainingTests",
      dependencies: ["FlattenTraining", "FlattenTensor", "FlattenRegions", "TestSupport"]),
    .testTarget(
      name: "FlattenConfigTests", dependencies: ["FlattenConfig", "FlattenFiles", "TestSupport"]),
    .testTarget(
      name: "FlattenImageTests",
      dependencies: [
        "FlattenImage", "FlattenTensor", "FlattenRegions", "FlattenFiles", "FlattenCodecs",
        "TestSupport",
      ]),
    .testTarget(
      name: "FlattenBackbonesTests",
      dependencies: [
        "FlattenBackbones", "FlattenInspection", "FlattenImage", "FlattenConfig", "FlattenNN",
        "FlattenCheckpoint",
        "FlattenTensor", "FlattenFiles", "OwnModelParts", "TestSupport",
      ]),
    .testTarget(
      name: "FlattenModelsTests",
      dependencies: [
        "FlattenModels", "FlattenBackbones", "FlattenConfig", "FlattenCheckpoint", "FlattenTensor",
        "AllocationCounter", "TestSupport",
      ]),
    .testTarget(
      name: "FlattenInspectionTests",
      dependencies: ["FlattenInspection", "FlattenTensor", "TestSupport"]),
    .testTarget(
      name: "FlattenDataTests",
      dependencies: [
        "FlattenData", "FlattenMetrics", "FlattenImage", "FlattenConfig", "FlattenTensor",
        "FlattenRegions", "FlattenFiles", "TestSupport",
      ]),
    .testTarget(
      name: "FlattenMetricsTests",
      dependencies: [
        "FlattenMetrics", "FlattenData", "FlattenTensor", "FlattenRegions", "FlattenFiles",
        "TestSupport",
      ]),
    .testTarget(
      name: "FlattenVisionTests",
      dependencies: [
        "FlattenVision", "FlattenData", "FlattenInspection", "FlattenModels", "FlattenBackbones",
        "FlattenImage", "FlattenConfig", "FlattenCheckpoint", "FlattenTensor", "FlattenRegions",
        "FlattenFiles", "OwnModelParts", "TestSupport",
      ]),
    .testTarget(
      name: "CommandLineTests",
      dependencies: [
        "FlattenVision", "FlattenBackbones", "FlattenImage", "FlattenCheckpoint", "FlattenTensor",
        "flatten-seg", "FlattenRegions", "FlattenFiles", "TestSupport",
      ], exclude: ["Texts"]),
  ],
  cLanguageStandard: .c2x
)
