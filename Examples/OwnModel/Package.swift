// swift-tools-version: 6.2
import PackageDescription

let package = Package(
  name: "OwnModel",
  platforms: [.macOS(.v15)],
  dependencies: [.package(name: "flatten-seg", path: "../..")],
  targets: [
    .executableTarget(
      name: "OwnModel",
      dependencies: [
        .product(name: "FlattenBackbones", package: "flatten-seg"),
        .product(name: "FlattenVision", package: "flatten-seg"),
      ])
  ]
)
